"""All threads of the process on one processor, the one where other programs run least.

Threads that share an interpreter run one at a time anyway. Left to the kernel, each hand-over wakes
the next thread on an idle processor, which waits for that to wake and then for the memory that the
other one has in its caches (docs/adr/0006). Children are let go where they like.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)
_STAT = Path("/proc/stat")
_TASKS = Path("/proc/self/task")
_FIRST_LOOK_S = 0.05
WORTH_MOVING = 0.25
"""So much less of another processor's time must be taken by others: a move empties the caches."""
_allowed: frozenset[int] = frozenset()  # to this process before it was confined; empty = it is not


@dataclass(frozen=True, slots=True)
class ProcessorTimes:
    """A reading, in seconds: `busy` and `total` by processor since the start of the machine."""

    busy: Mapping[int, float]
    total: Mapping[int, float]
    own: float
    """Processor time of this process."""


def busy_by_others(before: ProcessorTimes, now: ProcessorTimes, confined_to: int | None,
                   ) -> dict[int, float]:
    """Share of each processor's time between two readings that was not ours, 0 to 1."""
    shares = {}
    for processor, total in now.total.items():
        elapsed = total - before.total[processor]
        busy = now.busy[processor] - before.busy[processor]
        if processor == confined_to:
            busy -= now.own - before.own
        shares[processor] = min(max(busy / elapsed, 0.0), 1.0) if elapsed > 0 else 0.0
    return shares


def better_processor(current: int, busy: Mapping[int, float]) -> int:
    """Where to be when others take these shares: `current` unless another is clearly freer."""
    freest = min(busy, key=lambda processor: (busy[processor], processor))
    return freest if busy[current] - busy[freest] > WORTH_MOVING else current


class OneProcessor:
    """Confines this process; `review` moves it when others have come to where it runs."""

    def __init__(self, processors: frozenset[int]) -> None:
        self._processors = processors
        first = read_times(processors)
        time.sleep(_FIRST_LOOK_S)
        self._before = read_times(processors)
        busy = busy_by_others(first, self._before, None)
        self.current = min(processors, key=lambda processor: (busy[processor], processor))
        _move_to(self.current)

    def review(self) -> None:
        """Compare with the reading of the last time, and move if that is better."""
        now = read_times(self._processors)
        busy = busy_by_others(self._before, now, self.current)
        self._before = now
        better = better_processor(self.current, busy)
        if better != self.current:
            _log.info("processor_changed", left=self.current, taken=better,
                      busy_there=round(busy[self.current], 2), busy_here=round(busy[better], 2))
            self.current = better
            _move_to(better)


def confine() -> OneProcessor | None:
    """Put all threads of this process, and those to come, on one processor.

    None where it has only one or where the system does not say how busy its processors are.
    """
    global _allowed
    if not (hasattr(os, "sched_setaffinity") and _STAT.is_file() and _TASKS.is_dir()):
        return None
    processors = _allowed or frozenset(os.sched_getaffinity(0))
    if len(processors) < 2:
        return None
    _allowed = processors
    return OneProcessor(processors)


@contextmanager
def let_go() -> Iterator[None]:
    """This thread may run anywhere during the block, and so may a child that it starts there."""
    if not _allowed:
        yield
        return
    confined_to = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _allowed)
    try:
        yield
    finally:
        os.sched_setaffinity(0, confined_to)


def read_times(processors: frozenset[int]) -> ProcessorTimes:
    """What the machine's processors and this process have worked so far."""
    per_second = os.sysconf("SC_CLK_TCK")
    busy, total = {}, {}
    for line in _STAT.read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu" and int(name[3:]) in processors:
            ticks = [int(field) for field in fields[:8]]  # guests are in user time already
            total[int(name[3:])] = sum(ticks) / per_second
            busy[int(name[3:])] = (sum(ticks) - ticks[3] - ticks[4]) / per_second  # idle, iowait
    return ProcessorTimes(busy, total, time.process_time())


def own_threads() -> list[int]:
    """Ids of all threads of this process; where they cannot be listed 0, the one that asks."""
    return [int(task.name) for task in _TASKS.iterdir()] if _TASKS.is_dir() else [0]


def _move_to(processor: int) -> None:
    for thread in own_threads():
        try:
            os.sched_setaffinity(thread, {processor})
        except ProcessLookupError:
            continue  # a thread that has ended meanwhile
