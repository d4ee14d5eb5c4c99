"""When the jobs run: one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from workers.job_runs import JobRuns

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the table.

    `interval` is a number of seconds or the name of the setting that holds it. A run that is late
    by more than `misfire_grace_s` is left out. A `quiet` job logs failures only.
    """

    name: str
    interval: float | str
    misfire_grace_s: int
    quiet: bool = False


JOBS = (
    Job("model_watch", interval=1.0, misfire_grace_s=5, quiet=True),
    Job("retrain", interval="retrain_interval_s", misfire_grace_s=600),
    Job("snapshot", interval="snapshot_interval_s", misfire_grace_s=600),
    Job("audit", interval="audit_interval_s", misfire_grace_s=600),
    Job("retention", interval=3_600.0, misfire_grace_s=600),
    Job("trim_outbox", interval=3_600.0, misfire_grace_s=600),
    Job("trim_store", interval=3_600.0, misfire_grace_s=600),
    Job("queue_gauges", interval=1.0, misfire_grace_s=5, quiet=True),
    Job("foreign_changes", interval=1.0, misfire_grace_s=5, quiet=True),
    Job("cards", interval=5.0, misfire_grace_s=5, quiet=True),
    Job("exposures", interval="exposure_interval_s", misfire_grace_s=30, quiet=True),
    Job("drift", interval="drift_interval_s", misfire_grace_s=600),
    Job("rollout_watch", interval=1.0, misfire_grace_s=5, quiet=True),
    Job("experiment_judge", interval="canary_judging_interval_s", misfire_grace_s=30, quiet=True),
    Job("online_success", interval=60.0, misfire_grace_s=30, quiet=True),
    Job("processor", interval=5.0, misfire_grace_s=5, quiet=True),
    Job("traffic", interval=10.0, misfire_grace_s=5, quiet=True),
)


def build_scheduler(
    actions: Mapping[str, Callable[[], object]],
    intervals: Mapping[str, float],
    first_delays_s: Mapping[str, float] | None = None,
    jobs: tuple[Job, ...] = JOBS,
    runs: JobRuns | None = None,
) -> BackgroundScheduler:
    """A scheduler with all jobs, not started. Runs of one job never overlap; missed ones merge.

    Args:
        actions: what each job does, by its name.
        intervals: seconds by the name of the setting.
        first_delays_s: seconds until the first run where it is not one interval.
        jobs: the table.
        runs: notes each run.

    Raises:
        KeyError: a job without an action or setting.
    """
    scheduler = BackgroundScheduler(
        timezone=UTC, executors={"default": ThreadPoolExecutor(max(len(jobs), 1))}
    )
    now = datetime.now(UTC)
    for job in jobs:
        interval = intervals[job.interval] if isinstance(job.interval, str) else job.interval
        delay = (first_delays_s or {}).get(job.name, interval)
        scheduler.add_job(
            logged(job, actions[job.name], runs), "interval", id=job.name, name=job.name,
            seconds=interval,
            next_run_time=now + timedelta(seconds=delay), misfire_grace_time=job.misfire_grace_s,
            coalesce=True, max_instances=1,
        )  # fmt: skip
    return scheduler


def first_delay_s(last_ms: int | None, now_ms: int, interval_s: float) -> float:
    """Seconds until a job is due whose last run was at `last_ms`: restarts don't postpone it."""
    if last_ms is None:
        return 0.0
    return min(max(interval_s - (now_ms - last_ms) / 1000, 0.0), interval_s)


def logged(
    job: Job, action: Callable[[], object], runs: JobRuns | None = None
) -> Callable[[], None]:
    """The action with log lines for started, completed and failed, and the seconds it took."""
    noted = runs or JobRuns()

    def run() -> None:
        began = time.monotonic()
        noted.began(job.name)
        if not job.quiet:
            _log.info("job_started", job=job.name)
        try:
            action()
        except Exception as error:  # noqa: BLE001 (a failed run must not end the schedule)
            seconds = round(time.monotonic() - began, 3)
            noted.ended(job.name, seconds, f"{type(error).__name__}: {error}")
            _log.exception("job_failed", job=job.name, seconds=seconds)
            return
        seconds = round(time.monotonic() - began, 3)
        noted.ended(job.name, seconds)
        if not job.quiet:
            _log.info("job_completed", job=job.name, seconds=seconds)

    return run
