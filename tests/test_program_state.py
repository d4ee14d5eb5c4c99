"""Each worker's state in a word and a sentence; jobs with their last and next runs."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from structlog.testing import capture_logs

from recommender.program_state import Condition, JobState
from recommender.retraining import RetrainStatus
from recommender.traffic import TrafficHistory
from tests.fakes import InMemoryResponseLog
from tests.web_world import NOW_MS, Clock
from workers.job_runs import JobRuns
from workers.program_state import (
    Workers,
    ingest_state,
    response_log_state,
    retrain_state,
    watch_state,
)
from workers.scheduler import Job, build_scheduler, logged


class FakeIngest:
    behind = 3
    waits_for: str | None = None

    def alive(self) -> bool:
        return True


class FullLog(InMemoryResponseLog):
    def dropped(self) -> int:
        return 2


@pytest.mark.parametrize(("alive", "waits_for", "condition", "says"), [
    (True, None, Condition.OK, "7 records not yet applied"),
    (True, "the store is away", Condition.WARN, "paused: the store is away; 7 records"),
    (False, None, Condition.BAD, "the thread has ended; 7 records"),
])
def test_ingest(alive: bool, waits_for: str | None, condition: Condition, says: str) -> None:
    state = ingest_state(alive, 7, waits_for)
    assert state.condition is condition and state.says.startswith(says)


def test_lost_answers_are_worth_a_look() -> None:
    assert response_log_state(InMemoryResponseLog()).condition is Condition.OK
    lost = response_log_state(FullLog())
    assert lost.condition is Condition.WARN and "2 dropped" in lost.says


@pytest.mark.parametrize(("status", "condition", "says"), [
    (RetrainStatus(), Condition.OFF, "none since the start"),
    (RetrainStatus(True, "r", "a", NOW_MS - 12_000, {"text": "knn: fitting"}), Condition.OK,
     "running for 12 s: knn: fitting"),
    (RetrainStatus(outcome="published", seconds=31.4), Condition.OK,
     "the last one: published, after 31 s"),
    (RetrainStatus(outcome="timeout", seconds=1800), Condition.BAD,
     "the last one: timeout, after 1800 s"),
])
def test_retrain(status: RetrainStatus, condition: Condition, says: str) -> None:
    state = retrain_state(status, NOW_MS)
    assert (state.condition, state.says) == (condition, says)


def test_a_refused_model_is_bad() -> None:
    assert watch_state({}).condition is Condition.OK
    refused = watch_state({"20261121T003000Z": "signature"})
    assert refused.condition is Condition.BAD and "20261121T003000Z (signature)" in refused.says


def test_runs_are_noted_with_their_time_failure_and_count() -> None:
    clock = Clock()
    runs = JobRuns(clock)
    failing = [True]

    def act() -> None:
        assert runs.last("job").running
        if failing:
            failing.pop()
            raise OSError("disk")

    run = logged(Job("job", 5.0, 5, quiet=True), act, runs)
    assert runs.last("job") == JobState("job", 0.0)
    with capture_logs():
        run()
    last = runs.last("job")
    assert (last.running, last.began_ms, last.failure, last.failures) == (
        False, NOW_MS, "OSError: disk", 1)
    clock.now_ms += 10
    run()
    last = runs.last("job")
    assert (last.began_ms, last.failure, last.failures) == (NOW_MS + 10, None, 1)
    assert last.seconds is not None


def workers_over(scheduler: BackgroundScheduler, runs: JobRuns) -> Workers:
    return Workers(FakeIngest(), scheduler, runs, InMemoryResponseLog(), RetrainStatus, dict,
                   TrafficHistory(), Clock())


@pytest.fixture
def workers() -> Iterator[tuple[Workers, Event]]:
    ran, runs = Event(), JobRuns(Clock())
    table = (Job("soon", 0.05, 5, quiet=True), Job("late", "late_s", 5, quiet=True))

    def soon() -> None:
        ran.set()
        raise RuntimeError("never well")

    actions = {"soon": soon, "late": lambda: None}
    scheduler = build_scheduler(actions, {"late_s": 3600.0}, jobs=table, runs=runs)
    scheduler.start()
    yield workers_over(scheduler, runs), ran
    scheduler.shutdown()


def test_the_schedule_tells_of_every_job(workers: tuple[Workers, Event]) -> None:
    program, ran = workers
    assert ran.wait(10)
    while program.jobs()[1].running or program.jobs()[1].failure is None:
        assert program.jobs()[1].name == "soon"
    late, soon = program.jobs()
    assert (late.name, late.interval_s, late.began_ms) == ("late", 3600.0, None)
    assert late.next_ms is not None and late.failure is None
    assert soon.interval_s == 0.05 and soon.failure == "RuntimeError: never well"
    parts = {part.name: part for part in program.parts()}
    assert list(parts) == ["Ingest", "Scheduler", "Response log", "Retrain", "Model watch"]
    assert parts["Ingest"].says == "3 records not yet applied"
    assert parts["Scheduler"].condition is Condition.WARN and "soon" in parts["Scheduler"].says
    assert program.minutes() == []


def test_a_schedule_that_does_not_run_is_bad() -> None:
    scheduler = build_scheduler({"a": lambda: None}, {}, jobs=(Job("a", 5.0, 5),))
    program = workers_over(scheduler, JobRuns())
    parts = {part.name: part for part in program.parts()}
    assert parts["Scheduler"].condition is Condition.BAD
