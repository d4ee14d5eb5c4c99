"""What runs by the clock: each job with its interval, and which of them replicas share."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler

from adapters.response_rows import answered_records
from clock import now_ms
from composition import StoreSide, open_model_files
from parts_composition import Parts
from recommender.traffic import TrafficHistory
from retention_composition import open_outbox_trim, open_store_trim
from settings import Settings
from workers.exposures import ExposureCount
from workers.foreign_changes import ForeignChanges
from workers.job_runs import JobRuns
from workers.processor import OneProcessor
from workers.queue_gauges import QueueGauges
from workers.retention import Retention
from workers.scheduler import build_scheduler, first_delay_s
from workers.shared_schedule import SharedSchedule

_FIRST_AUDIT_S = 300.0


def build_jobs(parts: Parts, foreign: ForeignChanges, runs: JobRuns, traffic: TrafficHistory,
               processor: OneProcessor | None) -> BackgroundScheduler:
    """The scheduler with every job of the program, not started."""
    settings, side = parts.settings, parts.side

    def refresh_cards() -> None:
        if parts.cards.refresh():
            parts.kept.forget_all()

    actions: dict[str, Callable[[], object]] = {
        "model_watch": parts.watch.check,
        "retrain": lambda: parts.retrainer.request("schedule", "scheduler"),
        "snapshot": parts.snapshot.run,
        "audit": parts.audit.run,
        "exposures": _exposures(parts),
        "retention": _retention(settings, side).run,
        "trim_outbox": open_outbox_trim(settings, side, parts.events.engine, parts.telemetry).run,
        "trim_store": open_store_trim(
            settings, side, parts.responses.engine, parts.telemetry).run,
        "cards": refresh_cards,
        "foreign_changes": foreign.check,
        "queue_gauges": QueueGauges(parts.events.outbox, parts.responses, parts.telemetry).report,
        "processor": _nothing if processor is None else processor.review,
        "traffic": lambda: traffic.sample(now_ms(), parts.telemetry.traffic()),
    } | parts.experiments.jobs()
    if settings.replicas > 1:
        schedule = SharedSchedule(side.leases, f"{socket.gethostname()}:{os.getpid()}")
        left = parts.experiments.left()
        for job, seconds in (("retrain", settings.retrain_interval_s), ("trim_store", 3_600.0),
                             ("experiment_judge", settings.canary_judging_interval_s),
                             ("drift", settings.drift_interval_s),
                             ("audit", settings.audit_interval_s)):
            actions[job] = schedule.shared(job, seconds, actions[job], left.get(job, _nothing))
    records = side.allow_list.records()
    last_ms = records[0].created_at_ms if records else None
    delays = {"retrain": first_delay_s(last_ms, now_ms(), settings.retrain_interval_s),
              "traffic": 0.0, "exposures": 0.0,
              "audit": min(_FIRST_AUDIT_S, settings.audit_interval_s)}
    intervals = {"retrain_interval_s": settings.retrain_interval_s,
                 "snapshot_interval_s": settings.snapshot_interval_s,
                 "canary_judging_interval_s": settings.canary_judging_interval_s,
                 "drift_interval_s": settings.drift_interval_s,
                 "audit_interval_s": settings.audit_interval_s,
                 "exposure_interval_s": settings.exposure_interval_s}
    return build_scheduler(actions, intervals, delays, runs=runs)


def _nothing() -> None:
    """The job of a part that is off; what most jobs take back."""


def _exposures(parts: Parts) -> Callable[[], object]:
    """The job that counts what was shown; nothing to do when no reranker asks."""
    if not parts.reranking.chain.reads_exposures:
        return _nothing
    engine = parts.responses.engine
    count = ExposureCount(lambda after: answered_records(engine, after=after),
                          parts.reranking.board, parts.settings.exposure_half_life_s, now_ms)
    return count.run


def _retention(settings: Settings, side: StoreSide) -> Retention:
    files = open_model_files(settings, publishing=False)
    return Retention(side.allow_list, files.present, files.delete, settings.models_kept, now_ms)
