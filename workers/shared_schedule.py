"""Among replicas each run of a job is done by one: whoever asks first."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from recommender.ports import JobLeases

_SHARE_OF_INTERVAL = 0.9
_log = structlog.get_logger(__name__)


class SharedSchedule:
    """A lease for each job that ends by itself shortly before the next run is due.

    Args:
        holder: names this process.
    """

    def __init__(self, leases: JobLeases, holder: str) -> None:
        self._leases = leases
        self._holder = holder

    def shared(
        self, job: str, interval_s: float, action: Callable[[], object],
        left: Callable[[], object] = lambda: None,
    ) -> Callable[[], None]:
        """`action`, or `left` when another replica began this run.

        `left` takes back what this process still tells of an earlier run of its own, as gauges do.
        """

        def run() -> None:
            lease = f"schedule/{job}"
            if self._leases.acquire(lease, self._holder, interval_s * _SHARE_OF_INTERVAL) is None:
                _log.info("job_left_to_another_replica", job=job)
                left()
                return
            action()

        return run
