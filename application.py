"""The running program: what one process holds, how it starts and how it ends."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from adapters.embedded_log import EmbeddedLog
from adapters.json_log import configure_json_log
from adapters.response_log import SqlResponseLog
from adapters.telemetry import PrometheusTelemetry
from clock import now_ms
from composition import StoreSide, open_log, open_model_files, open_response_log, open_store
from recommender.bundle import ModelBundle
from recommender.errors import ModelRefused
from recommender.kept import KeptUsers
from recommender.serving import EncodedUser, similar
from recommender.serving_state import ServedModel, ServingState
from recommender.types import ModelRecord
from settings import Settings
from web import recommend
from web.application import create_app
from web.cards import Cards
from web.recommend import Lists
from web.recommendation_answer import EncodedAnswer
from web.request_context import add_request_id
from web.services import Services, WebOptions
from web.surface import Register
from web.turns import PatientOutbox, Turns
from workers.ingest import IngestWorker
from workers.model_watch import ModelWatch
from workers.queue_gauges import QueueGauges
from workers.retention import Retention
from workers.retrain import Retrainer
from workers.scheduler import build_scheduler, first_delay_s
from workers.snapshot import SnapshotJob

_log = structlog.get_logger()
ENTRY = Path(__file__).with_name("fairreel.py")


@dataclass(frozen=True)
class Application:
    """Everything that one process holds; made by `compose`, run by `start`, ended by `stop`."""

    flask: Flask
    side: StoreSide
    log: EmbeddedLog
    responses: SqlResponseLog
    ingest: IngestWorker
    watch: ModelWatch[ModelBundle]
    retrainer: Retrainer
    snapshot: SnapshotJob
    scheduler: BackgroundScheduler

    def start(self) -> None:
        """Load the model and start the threads; returns when requests can be answered."""
        self.watch.check()
        self.ingest.start()
        self.scheduler.start()
        # What is loaded by now stays: the collector need not walk it (pauses of 100 ms, measured).
        gc.collect()
        gc.freeze()

    def stop(self) -> None:
        """End in the order of the data: jobs, ingest, then what flushes to disk."""
        _log.info("stopping")
        self.scheduler.shutdown(wait=False)
        for name, stop in (
            ("retrain", self.retrainer.stop), ("snapshot", self.snapshot.stop),
            ("ingest", self.ingest.stop), ("log", self.log.close),
            ("responses", self.responses.close), ("store", self.side.close),
        ):
            try:
                stop()
            except Exception:  # noqa: BLE001 (the others must still be flushed)
                _log.exception("stop_failed", part=name)
        _log.info("stopped")


def compose(settings: Settings, further_topics: Iterable[Register] = ()) -> Application:
    """Build the program; nothing runs yet but the writing threads of the two logs.

    `further_topics` add routes.

    Raises:
        StoreUnavailable: a database cannot be opened.
    """
    configure_json_log(settings.log_level, [add_request_id])
    side, log, responses = open_store(settings), open_log(settings), open_response_log(settings)
    telemetry = PrometheusTelemetry(now_ms)
    state: ServingState[ModelBundle] = ServingState()
    watch = _model_watch(settings, side, state, telemetry)
    retrainer = Retrainer(_child("train", "--json"), settings.training_timeout_s, telemetry,
                          side.audit, now_ms)
    snapshot = SnapshotJob(_child("snapshot", "--json"), settings.training_timeout_s)
    kept: KeptUsers[EncodedUser, EncodedAnswer] = KeptUsers(
        side.store.history, settings.kept_users_max)
    cards, turns = Cards(side.catalogue), Turns()
    cards.refresh()
    services = Services(
        outbox=PatientOutbox(log, turns), store=side.store, catalogue=side.catalogue,
        response_log=responses, allow_list=side.allow_list, api_keys=side.api_keys,
        audit_log=side.audit,
        telemetry=telemetry, serving=state, retrain=retrainer, switch=watch, similar=similar,
        manifest=_manifest_of(settings), bus_reachable=log.reachable,
        metrics_registry=telemetry.registry, now_ms=now_ms,
    )
    lists = Lists(kept, side.store.history, cards, state, settings.kept_lists)
    flask = create_app(services, _web_options(settings), [recommend.topic(lists), *further_topics])
    flask.wsgi_app = turns.wrap(flask.wsgi_app)  # type: ignore[method-assign,assignment]
    ingest = IngestWorker(
        log, side.store, telemetry, log.cluster_id, now_ms,
        lambda users, _applied, _duplicates, _freshness: kept.forget(users),
        settings.ingest_batch_max_events, settings.ingest_linger_s,
        # Offsets belong to one log: a new log must not start behind the offsets of a lost one.
        group=f"ingest/{log.cluster_id}")
    retention = _retention(settings, side)
    actions: dict[str, Callable[[], object]] = {
        "model_watch": watch.check,
        "retrain": lambda: retrainer.request("schedule", "scheduler"),
        "snapshot": snapshot.run,
        "retention": retention.run,
        "cards": cards.refresh,
        "queue_gauges": QueueGauges(log, responses, telemetry).report,
    }
    serving = side.allow_list.serving()
    last_ms = None if serving is None else serving.created_at_ms
    delays = {"retrain": first_delay_s(last_ms, now_ms(), settings.retrain_interval_s)}
    intervals = {"retrain_interval_s": settings.retrain_interval_s,
                 "snapshot_interval_s": settings.snapshot_interval_s}
    scheduler = build_scheduler(actions, intervals, delays)
    return Application(flask, side, log, responses, ingest, watch, retrainer, snapshot, scheduler)


def _child(*arguments: str) -> tuple[str, ...]:
    # By its path: the program may have been started from another folder.
    return (sys.executable, str(ENTRY), *arguments, "--watch-parent")


def _model_watch(settings: Settings, side: StoreSide, state: ServingState[ModelBundle],
                 telemetry: PrometheusTelemetry) -> ModelWatch[ModelBundle]:
    def load(record: ModelRecord) -> ServedModel[ModelBundle]:
        # The keys are opened anew: the first training may have made them after our start.
        loaded = open_model_files(settings, publishing=False).load(record.version_id, record)
        manifest = loaded.manifest
        return ServedModel(record.name, record.version, record.version_id,
                           manifest.code.git.sha or "", manifest.data_snapshot_id,
                           record.created_at_ms, loaded.bundle)

    def note_current() -> None:
        open_model_files(settings, publishing=False).write_current(
            side.allow_list.records(), now_ms())

    return ModelWatch(side.allow_list, load, state, telemetry, side.audit, now_ms, note_current)


def _manifest_of(settings: Settings) -> Callable[[str], Mapping[str, Any] | None]:
    def manifest(version_id: str) -> Mapping[str, Any] | None:
        files = open_model_files(settings, publishing=False)
        try:
            return files.manifest(version_id).model_dump(mode="json")
        except ModelRefused as refusal:
            _log.warning("manifest_refused", version_id=version_id, cause=refusal.cause)
            return None

    return manifest


def _retention(settings: Settings, side: StoreSide) -> Retention:
    files = open_model_files(settings, publishing=False)
    return Retention(side.allow_list, files.present, files.delete, settings.models_kept, now_ms)


def _web_options(settings: Settings) -> WebOptions:
    return WebOptions(
        client_keys_required=settings.client_keys(),
        catalogue_open=settings.catalogue_open,
        request_body_max_bytes=settings.request_body_max_bytes,
        batch_lines_max=settings.batch_lines_max,
        rate_limit_per_minute=settings.rate_limit_per_minute,
        rate_limit_blocked_after=settings.rate_limit_blocked_after,
        rate_limit_block_s=settings.rate_limit_block_s,
        trusted_proxies=settings.trusted_proxies,
        cors_origins=tuple(settings.cors_origins),
    )
