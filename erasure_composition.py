"""Builds what takes a person out from the settings."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Engine

from adapters.kafka_holdings import kafka_holdings
from adapters.kafka_topics import all_topics
from adapters.outbox_erasure import OutboxErasure
from adapters.report_erasure import ReportErasure
from adapters.response_erasure import ResponseErasure
from adapters.response_log import SqlResponseLog
from adapters.snapshot_files import SnapshotFiles
from adapters.snapshot_upkeep import SnapshotUpkeep
from adapters.store_erasure import StoreErasure
from clock import now_ms
from composition import StoreSide, open_model_files, open_snapshots
from events_composition import kafka_access, kafka_topic_names
from recommender.erasure import Holding, without_user
from recommender.errors import SnapshotDamaged
from recommender.ports import JobLeases
from recommender.topics import MODEL_METRICS
from retention_composition import snapshots_needed
from settings import Settings
from settings_groups.bus import Bus
from workers.erasure import BackgroundErasure, Eraser, Places
from workers.snapshot_lease import snapshot_lease


def open_eraser(
    settings: Settings, side: StoreSide, log: Engine, responses: Engine,
    forget: Callable[[str], None] = lambda _user: None,
) -> Eraser:
    """Over the databases given; snapshots and Kafka are opened when they are needed."""
    places = Places(
        StoreErasure(side.engine), OutboxErasure(log), ResponseErasure(responses),
        ReportErasure(settings.outputs_folder),
        _Snapshots(settings, side), _holdings(settings), side.allow_list,
    )
    return Eraser(places, side.audit, now_ms, forget)


def open_background_erasure(
    settings: Settings, side: StoreSide, log: Engine, responses: SqlResponseLog,
    forget: Callable[[Sequence[str]], None],
) -> BackgroundErasure:  # fmt: skip
    """For the administrators' page; `forget` lets go of what is kept of these users in memory."""

    def forget_all_of(user_id: str) -> None:
        forget([user_id])
        responses.flush()
        responses.forget_texts()

    eraser = open_eraser(settings, side, log, responses.engine, forget_all_of)
    return BackgroundErasure(eraser, StoreErasure(side.engine))


class _Snapshots:
    """The snapshots of the settings, and which of them models need."""

    def __init__(self, settings: Settings, side: StoreSide) -> None:
        self._settings = settings
        self._side = side

    def lease(self, on_lost: Callable[[], None]) -> AbstractContextManager[object]:
        leases: JobLeases = self._side.leases
        return snapshot_lease(leases, f"{socket.gethostname()}:{os.getpid()}", on_lost)

    def erase(
        self, user_id: str, at_ms: int, go_on: Callable[[], None]
    ) -> tuple[dict[str, int], Sequence[tuple[str, str]]]:
        files: SnapshotFiles = open_snapshots(self._settings).files
        needed = snapshots_needed(
            self._side.allow_list, open_model_files(self._settings, publishing=False))
        if needed is None:
            # Then all count as needed, and are rewritten.
            needed = {snapshot.snapshot_id for snapshot in files.manifests()}
        people = StoreErasure(self._side.engine).known()
        if people is not None:
            files.put_erased(people)
        upkeep = SnapshotUpkeep(files)
        # What was left by a run that was cut off may hold the user as well.
        upkeep.remove_unnamed(at_ms + 1)
        try:
            done = upkeep.rewrite(without_user(user_id), needed, "erasure", at_ms, go_on)
        except SnapshotDamaged as error:
            raise SnapshotDamaged(f"{error}; put it back, or remove the snapshots that name it, "
                                  "and repeat") from error
        return {"snapshot_files": done.files_removed}, done.rewritten


def _holdings(settings: Settings) -> Callable[[str], Sequence[Holding]]:
    def ask(user_id: str) -> Sequence[Holding]:
        if settings.bus is not Bus.KAFKA:
            return ()
        names = kafka_topic_names(settings)
        # Metrics of models say nothing of a person.
        topics = [names.on_kafka(topic) for topic in all_topics() if topic != MODEL_METRICS]
        return kafka_holdings(kafka_access(settings), topics, user_id, now_ms())

    return ask
