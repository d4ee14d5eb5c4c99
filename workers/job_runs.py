"""What the jobs of the schedule did last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Lock

from recommender.program_state import JobState


class JobRuns:
    """Notes beginnings and ends; safe for many threads.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(self, clock: Callable[[], int] = lambda: 0) -> None:
        self._clock = clock
        self._lock = Lock()
        self._last: dict[str, JobState] = {}

    def began(self, name: str) -> None:
        """A run began."""
        with self._lock:
            known = self.last(name)
            self._last[name] = replace(known, running=True, began_ms=self._clock())

    def ended(self, name: str, seconds: float, failure: str | None = None) -> None:
        """A run ended, well or with this error."""
        with self._lock:
            known = self.last(name)
            self._last[name] = replace(
                known, running=False, seconds=seconds, failure=failure,
                failures=known.failures + (failure is not None),
            )  # fmt: skip

    def last(self, name: str) -> JobState:
        """The running or the last run; the schedule knows the interval and the next one."""
        return self._last.get(name) or JobState(name, 0.0)
