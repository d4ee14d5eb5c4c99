"""How the workers do, as `ports.ProgramState` tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from apscheduler.schedulers.background import BackgroundScheduler

from recommender.ports import ResponseLog
from recommender.program_state import Condition, JobState, PartState
from recommender.retraining import RetrainStatus
from recommender.traffic import TrafficHistory, TrafficMinute
from workers.job_runs import JobRuns

_WELL_ENDED = frozenset({"published", "refused", "nothing", "busy", "held", "stop"})


class _Ingest(Protocol):
    behind: int
    waits_for: str | None

    def alive(self) -> bool: ...


class Workers:
    """Reads what the workers say of themselves; costs them nothing.

    Args:
        refused: model versions that the watch refuses, with the cause.
    """

    def __init__(
        self, ingest: _Ingest, scheduler: BackgroundScheduler, runs: JobRuns,
        responses: ResponseLog, retrain: Callable[[], RetrainStatus],
        refused: Callable[[], Mapping[str, str]], traffic: TrafficHistory,
        clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._ingest = ingest
        self._scheduler = scheduler
        self._runs = runs
        self._responses = responses
        self._retrain = retrain
        self._refused = refused
        self._traffic = traffic
        self._clock = clock

    def parts(self) -> Sequence[PartState]:
        """As `ports.ProgramState.parts`."""
        return [
            ingest_state(self._ingest.alive(), self._ingest.behind, self._ingest.waits_for),
            self._schedule(),
            response_log_state(self._responses),
            retrain_state(self._retrain(), self._clock()),
            watch_state(self._refused()),
        ]

    def jobs(self) -> Sequence[JobState]:
        """As `ports.ProgramState.jobs`, by name."""
        found = []
        for job in sorted(self._scheduler.get_jobs(), key=lambda job: str(job.id)):
            due = job.next_run_time
            found.append(replace(
                self._runs.last(job.id),
                interval_s=job.trigger.interval.total_seconds(),
                next_ms=None if due is None else int(due.timestamp() * 1000),
            ))  # fmt: skip
        return found

    def minutes(self) -> Sequence[TrafficMinute]:
        """As `ports.ProgramState.minutes`."""
        return self._traffic.minutes()

    def _schedule(self) -> PartState:
        failed = [job.name for job in self.jobs() if job.failure is not None]
        if not self._scheduler.running:
            return PartState("Scheduler", Condition.BAD, "not running")
        if failed:
            names = ", ".join(failed)
            return PartState("Scheduler", Condition.WARN, f"the last run failed of: {names}")
        return PartState("Scheduler", Condition.OK, "all jobs ended well")


def ingest_state(alive: bool, behind: int, waits_for: str | None) -> PartState:
    """The thread that applies events."""
    waiting = f"{behind} records not yet applied"
    if not alive:
        return PartState("Ingest", Condition.BAD, f"the thread has ended; {waiting}")
    if waits_for is not None:
        return PartState("Ingest", Condition.WARN, f"paused: {waits_for}; {waiting}")
    return PartState("Ingest", Condition.OK, waiting)


def response_log_state(responses: ResponseLog) -> PartState:
    """The log of answers: what it lost cannot be traced."""
    waiting, dropped, failures = responses.waiting(), responses.dropped(), responses.failures()
    says = f"{waiting} waiting; since the start {dropped} dropped, {failures} failed writes"
    return PartState("Response log", Condition.WARN if dropped or failures else Condition.OK, says)


def retrain_state(status: RetrainStatus, now_ms: int) -> PartState:
    """The retrain that runs or the last one."""
    if status.running and status.started_at_ms is not None:
        says = f"running for {(now_ms - status.started_at_ms) / 1000:.0f} s"
        text = status.progress.get("text")
        return PartState("Retrain", Condition.OK, f"{says}: {text}" if text else says)
    if status.outcome is None:
        return PartState("Retrain", Condition.OFF, "none since the start")
    condition = Condition.OK if status.outcome in _WELL_ENDED else Condition.BAD
    says = f"the last one: {status.outcome}, after {status.seconds or 0:.0f} s"
    return PartState("Retrain", condition, says)


def watch_state(refused: Mapping[str, str]) -> PartState:
    """The watch that loads what the allow-list says."""
    if refused:
        each = ", ".join(f"{version_id} ({cause})" for version_id, cause in refused.items())
        return PartState("Model watch", Condition.BAD, f"refused: {each}")
    return PartState("Model watch", Condition.OK, "nothing refused")
