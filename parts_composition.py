"""The parts that the web and the workers of one process share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adapters.response_log import SqlResponseLog
from adapters.telemetry import PrometheusTelemetry
from answers_composition import open_answer_publisher
from clock import now_ms
from composition import (
    StoreSide,
    open_model_files,
    open_response_log,
    open_store,
    reranking_of,
)
from events_composition import EventSide, open_events, refuse_to_leave_events
from experiments_composition import ExperimentSide, open_experiments
from recommender.bundle import ModelBundle
from recommender.kept import KeptUsers
from recommender.serving import EncodedUser
from recommender.serving_configuration import Reranking
from recommender.serving_state import ServedModel, ServingState
from recommender.types import History, ModelRecord
from settings import Settings
from web.cards import Cards
from web.recommendation_answer import EncodedAnswer
from workers.answer_publisher import AnswerPublisher
from workers.audit import AuditJob, DroppedAnswers
from workers.bus_watch import BusWatch
from workers.ingest import INGEST, offsets_group
from workers.model_watch import ModelWatch
from workers.retrain import Retrainer
from workers.snapshot import SnapshotJob

ENTRY = Path(__file__).with_name("fairreel.py")


@dataclass(frozen=True)
class Parts:
    """What the web and the workers of one process share."""

    settings: Settings
    side: StoreSide
    events: EventSide
    bus_watch: BusWatch | None
    answers: AnswerPublisher | None
    responses: SqlResponseLog
    telemetry: PrometheusTelemetry
    state: ServingState[ModelBundle]
    watch: ModelWatch[ModelBundle]
    retrainer: Retrainer
    snapshot: SnapshotJob
    audit: AuditJob
    kept: KeptUsers[EncodedUser, EncodedAnswer]
    load: Callable[[str], History]
    cards: Cards
    reranking: Reranking
    experiments: ExperimentSide


def open_parts(settings: Settings) -> Parts:
    """Open the databases and make the parts; nothing runs yet but the writing threads of the logs.

    Raises:
        InvalidField: the settings name an unknown reranker.
        StoreUnavailable: a database cannot be opened.
        EventsLeftBehind: the bus was changed too early.
    """
    side, telemetry = open_store(settings), PrometheusTelemetry(now_ms)
    state: ServingState[ModelBundle] = ServingState()
    cards = Cards(side.catalogue)
    cards.refresh()
    events = open_events(settings)
    refuse_to_leave_events(events, lambda log: side.store.offsets(offsets_group(INGEST, log)))
    load, newest_version = side.store.history, side.store.history_version
    responses, watch = open_response_log(settings), _model_watch(settings, side, state, telemetry)
    dropped = DroppedAnswers(responses.dropped, 1000 * settings.audit_window_s)
    reranking = reranking_of(settings, now_ms)
    kept: KeptUsers[EncodedUser, EncodedAnswer] = KeptUsers(
        load, settings.kept_users_max, newest_version if settings.replicas > 1 else None)
    retrainer = Retrainer(_child("train", "--json"), settings.training_timeout_s, telemetry,
                          side.audit, now_ms)
    return Parts(
        settings, side, events, None if events.queue is None else BusWatch(events.bus),
        open_answer_publisher(settings, side, responses.engine, events.bus),
        responses, telemetry, state, watch,
        retrainer,
        SnapshotJob(_child("snapshot", "--json"), settings.training_timeout_s),
        AuditJob(_child("audit", "--json"), settings.audit_timeout_s, dropped, telemetry, now_ms),
        kept, load, cards, reranking,
        open_experiments(settings, side, events.bus, responses, telemetry, state, watch,
                         loader(settings), load, reranking, retrainer, kept.forget_all,
                         _child("drift", "--json")),
    )


def loader(settings: Settings) -> Callable[[ModelRecord], ServedModel[ModelBundle]]:
    """Verifies the files of a model and loads it."""

    def load(record: ModelRecord) -> ServedModel[ModelBundle]:
        # The keys are opened anew: the first training may have made them after our start.
        return open_model_files(settings, publishing=False).load_served(record)

    return load


def _model_watch(settings: Settings, side: StoreSide, state: ServingState[ModelBundle],
                 telemetry: PrometheusTelemetry) -> ModelWatch[ModelBundle]:
    files = open_model_files(settings, publishing=False)

    def note_current() -> None:
        files.write_current(side.allow_list.records(), now_ms())

    return ModelWatch(side.allow_list, loader(settings), state, telemetry, side.audit, now_ms,
                      note_current, files.present)


def _child(*arguments: str) -> tuple[str, ...]:
    # By its path: the program may have been started from another folder.
    return (sys.executable, str(ENTRY), *arguments, "--watch-parent")
