"""The running program: what one process holds, how it starts and how it ends."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from adapters.json_log import configure_json_log
from adapters.outputs import OutputFolder
from adapters.response_log import SqlResponseLog
from adapters.session_secret import open_session_secret
from clock import now_ms
from composition import StoreSide, manifest_of
from erasure_composition import open_background_erasure
from events_composition import EventSide
from experiments_composition import ExperimentSide
from jobs_composition import build_jobs
from parts_composition import Parts, loader, open_parts
from recommender.bundle import ModelBundle
from recommender.serving import similar
from recommender.traffic import TrafficHistory
from recommender.types import Applied
from settings import Settings
from settings_in_force import settings_in_force
from web import documentation, recommend
from web.application import create_app
from web.body_slots import BodySlots
from web.lists import Lists
from web.model_lists import ModelLists
from web.pages import visitor_pages
from web.request_context import add_request_id
from web.services import Services, WebOptions
from web.surface import Register
from workers.answer_publisher import AnswerPublisher
from workers.audit import AuditJob
from workers.bus_watch import BusWatch
from workers.foreign_changes import ForeignChanges
from workers.ingest import IngestWorker
from workers.job_runs import JobRuns
from workers.model_watch import ModelWatch
from workers.processor import OneProcessor
from workers.program_state import Workers
from workers.relay import RelayWorker
from workers.requeue import Requeuer
from workers.retrain import Retrainer
from workers.snapshot import SnapshotJob

_log = structlog.get_logger()


@dataclass(frozen=True)
class Application:
    """Everything that one process holds; made by `compose`, run by `start`, ended by `stop`."""

    flask: Flask
    side: StoreSide
    events: EventSide
    responses: SqlResponseLog
    ingest: IngestWorker
    relay: RelayWorker | None
    bus_watch: BusWatch | None
    answers: AnswerPublisher | None
    watch: ModelWatch[ModelBundle]
    retrainer: Retrainer
    snapshot: SnapshotJob
    audit: AuditJob
    scheduler: BackgroundScheduler
    experiments: ExperimentSide

    def start(self) -> None:
        """Load the model and start the threads; returns when requests can be answered."""
        self.watch.check()
        self.experiments.watch.check()
        for name in self.flask.jinja_env.list_templates():
            self.flask.jinja_env.get_template(name)  # 200 ms that the first visitor need not wait
        if self.bus_watch is not None:
            self.bus_watch.start()
        self.ingest.start()
        if self.relay is not None:
            self.relay.start()
        if self.answers is not None:
            self.answers.start()
        self.scheduler.start()
        # What is loaded by now stays: the collector need not walk it (pauses of 100 ms, measured).
        gc.collect()
        gc.freeze()

    def stop(self) -> None:
        """End in the order of the data: jobs, ingest and relay, then what flushes to disk."""
        _log.info("stopping")
        if self.scheduler.running:
            self.scheduler.shutdown(wait=False)
        for name, stop in (
            ("retrain", self.retrainer.stop), ("snapshot", self.snapshot.stop),
            ("audit", self.audit.stop), ("drift", self.experiments.drift.stop),
            ("shadow", self.experiments.shadow.stop), ("ingest", self.ingest.stop),
            *(() if self.relay is None else (("relay", self.relay.stop),)),
            *(() if self.answers is None else (("answers", self.answers.stop),)),
            *(() if self.bus_watch is None else (("bus watch", self.bus_watch.stop),)),
            ("events", self.events.close),
            ("responses", self.responses.close), ("store", self.side.close),
        ):
            try:
                stop()
            except Exception:  # noqa: BLE001 (the others must still be flushed)
                _log.exception("stop_failed", part=name)
        _log.info("stopped")


def compose(settings: Settings, further_topics: Iterable[Register] = (),
            processor: OneProcessor | None = None) -> Application:
    """Build the program; nothing runs yet but the writing threads of the two logs.

    `further_topics` add routes; `processor` is reviewed when the process is confined to one.

    Raises:
        InvalidField: the settings name an unknown reranker.
        StoreUnavailable: a database cannot be opened.
        EventsLeftBehind: the bus was changed too early.
    """
    configure_json_log(settings.log_level, [add_request_id])
    parts = open_parts(settings)
    foreign = ForeignChanges(parts.side.store, parts.kept.forget, parts.kept.forget_all,
                             parts.responses.forget_texts)
    ingest, runs, traffic = _ingest(parts, foreign), JobRuns(now_ms), TrafficHistory()
    scheduler = build_jobs(parts, foreign, runs, traffic, processor)
    program = Workers(ingest, scheduler, runs, parts.responses, parts.retrainer.status,
                      parts.watch.refused, traffic, now_ms)
    return Application(
        _flask(parts, program, further_topics), parts.side, parts.events, parts.responses,
        ingest, _relay(parts), parts.bus_watch, parts.answers,
        parts.watch, parts.retrainer, parts.snapshot, parts.audit, scheduler, parts.experiments,
    )


def _bus_problem(parts: Parts) -> Callable[[], str | None]:
    """Why the bus, or a part of what goes through it, does not work."""
    of_bus, answers = (parts.bus_watch or parts.events.bus).problem, parts.answers
    return of_bus if answers is None else lambda: of_bus() or answers.problem()


def _flask(parts: Parts, program: Workers, further_topics: Iterable[Register]) -> Flask:
    side = parts.side
    services = Services(
        outbox=parts.events.outbox, store=side.store, catalogue=side.catalogue,
        response_log=parts.responses, allow_list=side.allow_list, api_keys=side.api_keys,
        audit_log=side.audit, telemetry=parts.telemetry,
        serving=parts.state,
        retrain=parts.retrainer, switch=parts.experiments.switch, similar=similar,
        manifest=_manifest_of(parts.settings),
        bus_problem=_bus_problem(parts),
        metrics_registry=parts.telemetry.registry, now_ms=now_ms,
        review=side.review, requeue=Requeuer(side.review, parts.events.bus, side.audit, now_ms),
        program=program,
        erasure=open_background_erasure(parts.settings, side, parts.events.engine, parts.responses,
                                        parts.kept.forget),
        audits=OutputFolder(parts.settings.outputs_folder),
        rollouts=parts.experiments.rollouts,
    )
    lists = Lists(parts.kept, parts.load, parts.cards, parts.state,
                  parts.settings.kept_lists, parts.reranking, parts.experiments.choice,
                  parts.experiments.observe)
    models = ModelLists(side.allow_list, lists, loader(parts.settings))
    flask = create_app(services, _web_options(parts.settings),
                       [recommend.topic(lists, models), _front(parts, lists, models),
                        *parts.experiments.topics, *further_topics])
    slots = BodySlots(parts.settings.body_threads(), parts.telemetry.body_refused)
    flask.wsgi_app = slots.wrap(flask.wsgi_app)  # type: ignore[method-assign,assignment]
    return flask


def _front(parts: Parts, lists: Lists, models: ModelLists) -> Register:
    """What stands at /."""
    if not parts.settings.visitor_pages:
        return documentation.at_root
    return visitor_pages.topic(lists, parts.cards, models)


def _ingest(parts: Parts, foreign: ForeignChanges) -> IngestWorker:
    def on_applied(users: Collection[str], done: Applied, _freshness: float | None) -> None:
        parts.kept.forget(users)
        foreign.applied(done)

    return IngestWorker(
        parts.events.bus, parts.side.store, parts.telemetry, now_ms, on_applied,
        parts.settings.ingest_batch_max_events, parts.settings.ingest_linger_s,
    )


def _relay(parts: Parts) -> RelayWorker | None:
    events = parts.events
    if events.queue is None:
        return None
    return RelayWorker(
        events.queue, events.bus, parts.telemetry, parts.settings.relay_batch_max_events)


def _manifest_of(settings: Settings) -> Callable[[str], Mapping[str, Any] | None]:
    def manifest(version_id: str) -> Mapping[str, Any] | None:
        found = manifest_of(settings, version_id)
        return None if found is None else found.model_dump(mode="json")

    return manifest


def _web_options(settings: Settings) -> WebOptions:
    return WebOptions(
        client_keys_required=settings.client_keys(),
        catalogue_open=settings.catalogue_open,
        request_body_max_bytes=settings.request_body_max_bytes,
        batch_lines_max=settings.batch_lines_max,
        rate_limit_per_minute=settings.rate_limit_per_minute,
        rate_limit_blocked_after=settings.rate_limit_blocked_after,
        rate_limit_block_s=settings.rate_limit_block_s,
        limits_storage_uri=settings.limits_storage(),
        trusted_proxies=settings.trusted_proxies,
        cors_origins=tuple(settings.cors_origins),
        session_secret=open_session_secret(settings.session_secret()),
        session_s=settings.session_s,
        cookies_secure=settings.cookies_over_https(),
        diversity_max=settings.diversity_max,
        settings=settings_in_force(settings),
    )
