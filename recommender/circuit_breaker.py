"""When to stop asking something that fails, and when to try it again. No clock of its own."""

from __future__ import annotations


class CircuitBreaker:
    """Open after `failures_max` failures in a row; then one trial for each pause.

    A trial that fails doubles the pause, up to `pause_max_s`; one that succeeds closes the circuit.
    Times are seconds of any clock that never goes back. Used by one thread at a time.
    """

    def __init__(
        self, failures_max: int = 3, pause_s: float = 0.5, pause_max_s: float = 5.0
    ) -> None:
        self._failures_max = failures_max
        self._pause_min_s = pause_s
        self._pause_max_s = pause_max_s
        self._pause_s = pause_s
        self._failures = 0
        self._closed_again_at_s: float | None = None

    @property
    def open(self) -> bool:
        """Whether the last calls failed; a trial may be due all the same."""
        return self._closed_again_at_s is not None

    def wait_s(self, now_s: float) -> float:
        """How long not to call; 0 when a call, or a trial, may be made."""
        if self._closed_again_at_s is None:
            return 0.0
        return max(0.0, self._closed_again_at_s - now_s)

    def succeeded(self) -> None:
        """A call went well."""
        self._failures = 0
        self._pause_s = self._pause_min_s
        self._closed_again_at_s = None

    def failed(self, now_s: float) -> None:
        """A call failed."""
        self._failures += 1
        if self._failures >= self._failures_max:
            self._closed_again_at_s = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, self._pause_max_s)
