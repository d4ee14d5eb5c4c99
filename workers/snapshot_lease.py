"""One process at a time writes snapshots."""

from __future__ import annotations

import time
from collections.abc import Callable

from recommender.errors import LeaseLost
from recommender.ports import JobLeases
from workers.held_lease import HeldLease

SNAPSHOT_LEASE = "snapshot"
_LEASE_S = 30.0
_WAIT_S = 120.0


def snapshot_lease(leases: JobLeases, holder: str, on_lost: Callable[[], None]) -> HeldLease:
    """The lease, after the process that may hold it; `on_lost` as `HeldLease` calls it.

    Raises:
        LeaseLost: another process held it for two minutes.
    """
    deadline = time.monotonic() + _WAIT_S
    while (token := leases.acquire(SNAPSHOT_LEASE, holder, _LEASE_S)) is None:
        if time.monotonic() > deadline:
            raise LeaseLost("another process has been taking a snapshot for too long")
        time.sleep(0.2)
    return HeldLease(leases, SNAPSHOT_LEASE, token, _LEASE_S, on_lost)
