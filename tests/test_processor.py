"""The web process runs on one processor, the freest; its children run where they like."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers import processor
from workers.processor import (
    WORTH_MOVING,
    ProcessorTimes,
    better_processor,
    busy_by_others,
    read_times,
)

needs_two = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="one processor only")
SHARES = st.dictionaries(st.integers(0, 63), st.floats(0, 1), min_size=1)


def times(busy: dict[int, float], own: float, total: float = 100.0) -> ProcessorTimes:
    return ProcessorTimes(busy, dict.fromkeys(busy, total), own)


def test_our_own_time_does_not_count_where_we_are_confined() -> None:
    before, now = times({0: 0.0, 1: 0.0}, 0.0, 0.0), times({0: 9.0, 1: 4.0}, 6.0, 10.0)
    assert busy_by_others(before, now, 0) == pytest.approx({0: 0.3, 1: 0.4})
    assert busy_by_others(before, now, None) == pytest.approx({0: 0.9, 1: 0.4})


def test_shares_stay_between_nothing_and_all() -> None:
    before, now = times({0: 5.0, 1: 5.0}, 0.0, 10.0), times({0: 5.5, 1: 16.0}, 3.0, 20.0)
    assert busy_by_others(before, now, 0) == {0: 0.0, 1: 1.0}
    assert busy_by_others(before, before, 0) == {0: 0.0, 1: 0.0}


def test_a_move_is_worth_it_only_to_a_clearly_freer_processor() -> None:
    assert better_processor(0, {0: 0.5, 1: 0.3, 2: 0.4}) == 0
    assert better_processor(0, {0: 0.6, 1: 0.3, 2: 0.2}) == 2
    assert better_processor(1, {0: 0.0, 1: 0.0}) == 1


@given(SHARES, st.data())
def test_a_move_gains_at_least_the_margin_and_is_not_followed_by_another(
    busy: dict[int, float], data: st.DataObject
) -> None:
    current = data.draw(st.sampled_from(sorted(busy)))
    better = better_processor(current, busy)
    assert better == current or busy[current] - busy[better] > WORTH_MOVING
    assert better_processor(better, busy) == better


@needs_two
def test_the_machine_is_read_in_seconds_of_each_processor() -> None:
    allowed = frozenset(os.sched_getaffinity(0))
    reading = read_times(allowed)
    assert set(reading.busy) == set(reading.total) == allowed
    assert all(0 < reading.busy[one] < reading.total[one] for one in allowed)


PROGRAM = """
import json, os, subprocess, sys, threading
from pathlib import Path
from workers import processor

hold = threading.Event()
earlier = threading.Thread(target=hold.wait)
earlier.start()
allowed = os.sched_getaffinity(0)
one = processor.confine()
later = threading.Thread(target=hold.wait)
later.start()

def of_threads():
    tasks = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    return [sorted(os.sched_getaffinity(task)) for task in tasks]

confined, at = of_threads(), one.current
asks = [sys.executable, "-c", "import json, os; print(json.dumps(sorted(os.sched_getaffinity(0))))"]
with processor.let_go():
    child = json.loads(subprocess.run(asks, capture_output=True, check=True).stdout)
bound = json.loads(subprocess.run(asks, capture_output=True, check=True).stdout)
crowded = one.current
processor.busy_by_others = lambda *_: {cpu: float(cpu == crowded) for cpu in allowed}
one.review()
moved, now_at = of_threads(), one.current
hold.set()
print(json.dumps([sorted(allowed), confined, at, child, bound, moved, now_at]))
"""


@needs_two
def test_all_threads_are_confined_and_moved_and_a_child_is_let_go() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True,
                          timeout=60, text=True)
    allowed, confined, at, child, bound, moved, now_at = json.loads(done.stdout.splitlines()[-1])
    assert len(confined) >= 3 and all(where == [at] for where in confined)
    assert child == allowed and bound == [at]
    assert now_at != at and all(where == [now_at] for where in moved)


def test_nothing_is_confined_where_there_is_one_processor(monkeypatch: Any) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert processor.confine() is None


def test_a_thread_of_a_process_that_is_not_confined_is_left_where_it_is() -> None:
    def stay() -> None:
        before = os.sched_getaffinity(0)
        with processor.let_go():
            assert os.sched_getaffinity(0) == before

    thread = threading.Thread(target=stay)
    thread.start()
    thread.join(10)


CHILD = """
import os, sys
from workers.parent_watch import yield_to_parent
yield_to_parent()
print(*sorted(os.sched_getaffinity(0)))
"""
PARENT = f"""
import os, subprocess, sys, threading
from workers import processor
if sys.argv[1] == "one":
    processor.confine()

def train():  # in a thread of its own, as jobs run: only that one is let go
    with processor.let_go():
        subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)

job = threading.Thread(target=train)
job.start()
job.join()
print(*sorted(os.sched_getaffinity(0)))
"""


@needs_two
@pytest.mark.parametrize("where", ["one", "all"])
def test_a_training_keeps_off_the_processor_of_its_parent(where: str) -> None:
    done = subprocess.run([sys.executable, "-c", PARENT, where], capture_output=True, check=True,
                          timeout=60, text=True)
    child, parent = (set(map(int, line.split())) for line in done.stdout.splitlines()[-2:])
    everything = os.sched_getaffinity(0)
    if where == "one":
        assert len(parent) == 1 and child == everything - parent
    else:
        assert parent == everything and child == everything - {min(everything)}
