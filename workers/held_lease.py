"""A lease that a thread keeps renewing while the work goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Self

import structlog

from recommender.errors import StoreUnavailable
from recommender.ports import JobLeases

_log = structlog.get_logger(__name__)


class HeldLease:
    """Context manager around the work; gives the lease back at the end.

    Args:
        token: from `JobLeases.acquire`.
        seconds: how long the lease lasts; it is renewed every third of it.
        on_lost: called once, in the renewing thread, as soon as the lease is lost or can't be
            renewed before it expires. It should end the work.
    """

    def __init__(
        self, leases: JobLeases, job: str, token: int, seconds: float,
        on_lost: Callable[[], None],
    ) -> None:  # fmt: skip
        self._leases = leases
        self._job = job
        self._token = token
        self._seconds = seconds
        self._on_lost = on_lost
        self._done = Event()
        self._thread = Thread(target=self._keep, name=f"lease-{job}", daemon=True)

    @property
    def fencing(self) -> tuple[str, int]:
        """(job, token), to be checked by whoever stores a result."""
        return self._job, self._token

    def give_up(self) -> None:
        """Give the lease back now; the work must not go on."""
        self._done.set()
        self._leases.release(self._job, self._token)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._done.set()
        self._thread.join()
        try:
            self._leases.release(self._job, self._token)
        except StoreUnavailable as error:
            # The work is done, or has an error of its own; the lease ends by itself.
            _log.warning("lease_not_released", job=self._job, reason=str(error))

    def _keep(self) -> None:
        renewed_at = time.monotonic()
        while not self._done.wait(self._seconds / 3):
            asked_at = time.monotonic()
            try:
                held = self._leases.renew(self._job, self._token, self._seconds)
            except StoreUnavailable as error:
                _log.warning("lease_not_renewed", job=self._job, reason=str(error))
                held = asked_at - renewed_at < self._seconds * 2 / 3
            else:
                renewed_at = asked_at
            if not held and not self._done.is_set():
                _log.error("lease_lost", job=self._job, token=self._token)
                self._on_lost()
                return
