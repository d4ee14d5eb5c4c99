"""Among replicas one does a thing at a time, and goes on with it until it ends."""

from __future__ import annotations

from recommender.ports import JobLeases

_SECONDS = 30.0


class HeldTurn:
    """A lease that is renewed whenever it is asked for. For one thread.

    Args:
        holder: names this process.
    """

    def __init__(self, leases: JobLeases, job: str, holder: str) -> None:
        self._leases = leases
        self._job = job
        self._holder = holder
        self._token: int | None = None

    def mine(self) -> bool:
        """Whether this process has the turn, for 30 s from now.

        Raises:
            StoreUnavailable: nobody knows.
        """
        if self._token is not None and self._leases.renew(self._job, self._token, _SECONDS):
            return True
        self._token = self._leases.acquire(self._job, self._holder, _SECONDS)
        return self._token is not None
