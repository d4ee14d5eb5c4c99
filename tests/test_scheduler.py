"""Jobs run by one table, never overlap, and a failed run does not end the schedule."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

import pytest
from structlog.testing import capture_logs

from settings import Settings
from workers.scheduler import JOBS, Job, build_scheduler, first_delay_s, logged

NAMES = {job.name for job in JOBS}
SETTINGS = {job.interval for job in JOBS if isinstance(job.interval, str)}


def nothing() -> None:
    """A job without work."""


def test_every_setting_named_in_the_table_exists() -> None:
    assert set(Settings.model_fields) >= SETTINGS


def test_each_job_of_the_table_is_scheduled_once() -> None:
    actions: dict[str, Callable[[], object]] = dict.fromkeys(NAMES, nothing)
    scheduler = build_scheduler(actions, dict.fromkeys(SETTINGS, 7200.0), {"retrain": 5.0})
    scheduler.start(paused=True)
    try:
        jobs = {job.id: job for job in scheduler.get_jobs()}
        assert set(jobs) == NAMES
        assert all(job.name == name for name, job in jobs.items())  # what its warnings call it
        assert all(job.coalesce and job.max_instances == 1 for job in jobs.values())
        assert jobs["retrain"].trigger.interval.total_seconds() == 7200
        due = jobs["retrain"].next_run_time.timestamp() - time.time()
        assert 0 < due <= 5
    finally:
        scheduler.shutdown()


def test_a_job_without_action_or_setting_is_refused() -> None:
    with pytest.raises(KeyError):
        build_scheduler({}, dict.fromkeys(SETTINGS, 1.0))
    with pytest.raises(KeyError):
        build_scheduler(dict.fromkeys(NAMES, nothing), {})


def test_runs_of_one_job_do_not_overlap_and_another_job_goes_on() -> None:
    running, most, other = 0, 0, Event()

    def slow() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.3)
        running -= 1

    table = (Job("slow", 0.1, 1, True), Job("other", 0.1, 1, True))
    scheduler = build_scheduler({"slow": slow, "other": other.set}, {}, jobs=table)
    scheduler.start()
    try:
        time.sleep(0.8)
        assert most == 1 and other.is_set()
    finally:
        scheduler.shutdown(wait=True)


def test_a_failed_job_runs_again() -> None:
    runs: list[int] = []

    def failing() -> None:
        runs.append(1)
        raise RuntimeError("no luck")

    with capture_logs() as lines:
        scheduler = build_scheduler({"j": failing}, {}, jobs=(Job("j", 0.05, 1),))
        scheduler.start()
        time.sleep(0.4)
        scheduler.shutdown(wait=True)
    assert len(runs) >= 2
    assert {line["event"] for line in lines} == {"job_started", "job_failed"}


def test_each_run_logs_its_start_its_end_and_its_seconds() -> None:
    with capture_logs() as lines:
        logged(Job("j", 1, 1), lambda: time.sleep(0.05))()
    assert [line["event"] for line in lines] == ["job_started", "job_completed"]
    assert lines[1]["seconds"] >= 0.05


def test_a_quiet_job_logs_failures_only() -> None:
    def failing() -> None:
        raise RuntimeError("no luck")

    with capture_logs() as lines:
        logged(Job("j", 1, 1, quiet=True), nothing)()
        logged(Job("j", 1, 1, quiet=True), failing)()
    assert [line["event"] for line in lines] == ["job_failed"]


@pytest.mark.parametrize(
    ("last_ms", "due_s"),
    [(None, 0), (1_000_000, 100), (970_000, 70), (900_000, 0), (0, 0), (2_000_000, 100)],
)
def test_a_restart_does_not_postpone_a_job(last_ms: int | None, due_s: float) -> None:
    assert first_delay_s(last_ms, 1_000_000, 100) == due_s
