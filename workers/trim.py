"""The trim job: takes out what was kept long enough, a little at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from recommender.ports import Telemetry

_PAUSE_S = 0.02
_BUDGET_S = 600.0
_log = structlog.get_logger(__name__)


class Trim(Protocol):
    """Removes rows of one kind."""

    def steps(self, before_ms: int) -> Iterator[int]:
        """One short transaction a step, each yields how many rows went; rows from before UTC ms.

        Raises:
            StoreUnavailable: the database does not answer; what went before stays gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """How long rows of a kind are kept, in hours."""

    kind: str
    hours: int
    trim: Trim


class TrimJob:
    """Goes through the kinds; between two steps it leaves the database to its writers.

    A kind that fails does not keep the others from their turn. What is left when the time is up
    is for the next run.

    Args:
        kinds: what to trim.
        telemetry: is told how many rows went.
        clock: UTC milliseconds.
        prepare: called first, with the time.
    """

    def __init__(
        self, kinds: Sequence[Kept], telemetry: Telemetry, clock: Callable[[], int],
        prepare: Callable[[int], None] = lambda _now_ms: None, pause_s: float = _PAUSE_S,
        budget_s: float = _BUDGET_S,
    ) -> None:  # fmt: skip
        self._kinds = kinds
        self._telemetry = telemetry
        self._clock = clock
        self._prepare = prepare
        self._pause_s = pause_s
        self._budget_s = budget_s

    def run(self) -> dict[str, int]:
        """How many rows of each kind went.

        Raises:
            TrimFailed: names the kinds that failed; the others were trimmed.
        """
        now_ms = self._clock()
        self._prepare(now_ms)
        deadline_s = time.monotonic() + self._budget_s
        removed: dict[str, int] = {}
        failures: list[str] = []
        for kept in self._kinds:
            removed[kept.kind] = 0
            try:
                for rows in kept.trim.steps(now_ms - kept.hours * 3_600_000):
                    removed[kept.kind] += rows
                    if time.monotonic() > deadline_s:
                        _log.info("trim_goes_on_next_time", kind=kept.kind)
                        break
                    time.sleep(self._pause_s)
            except Exception as error:  # noqa: BLE001  told below; the other kinds have their turn
                failures.append(f"{kept.kind}: {error}")
            if removed[kept.kind]:
                self._telemetry.rows_trimmed(kept.kind, removed[kept.kind])
                _log.info("trimmed", kind=kept.kind, rows=removed[kept.kind])
        if failures:
            raise TrimFailed("; ".join(failures))
        return removed


class TrimFailed(Exception):
    """Some kinds could not be trimmed now; the next run tries again."""
