"""Builds what removes old rows from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog
from sqlalchemy import Engine

from adapters.model_files import ModelFiles
from adapters.outbox_trim import OutboxTrim
from adapters.response_trim import ResponsesTrim
from adapters.snapshot_upkeep import SnapshotUpkeep, Upkeep
from adapters.store_marks import StoreMarks
from adapters.store_trim import AppliedEventsTrim, BrowseEventsTrim, DeadLettersTrim
from clock import now_ms
from commands.training_parts import TrainingParts
from composition import StoreSide, open_snapshots
from recommender.bundle import ModelBundle
from recommender.errors import ModelRefused
from recommender.ports import AllowList, Telemetry
from recommender.snapshot import without_browse_events
from recommender.topics import EVENT_TOPICS
from recommender.types import ModelStatus, TopicPartition
from settings import Settings
from workers.dead_letter_post import note_group
from workers.ingest import INGEST, offsets_group
from workers.snapshot_lease import snapshot_lease
from workers.trim import Kept, Trim, TrimJob

DAY_HOURS = 24
HOUR_MS = 3_600_000
UPKEEP = "manifests/upkeep"
"""Says when old snapshots were last looked for, in UTC ms."""
READ_FOR_MS = 24 * HOUR_MS
"""A file that no snapshot names any more may still be read by a training for so long."""
_log = structlog.get_logger()


def open_outbox_trim(
    settings: Settings, side: StoreSide, log: Engine, telemetry: Telemetry
) -> TrimJob:
    """For the outbox of this process: each replica has to see to its own."""
    def stored(log_id: str) -> Mapping[TopicPartition, int]:
        return side.store.offsets(offsets_group(INGEST, log_id))

    trim = OutboxTrim(log, EVENT_TOPICS, stored)
    return TrimJob(_kept(("outbox", settings.outbox_kept_hours, trim)), telemetry, now_ms)


def open_store_trim(
    settings: Settings, side: StoreSide, responses: Engine, telemetry: Telemetry
) -> TrimJob:
    """For what replicas share. Views and searches come first: they are found by their events."""
    def published(log_id: str) -> Mapping[TopicPartition, int]:
        return side.store.offsets(note_group(log_id))

    days, until = DAY_HOURS, _snapshot_until(settings)
    kinds = _kept(
        ("browse_events", settings.browse_events_kept_days * days,
         BrowseEventsTrim(side.engine, until)),
        ("applied_events", settings.applied_events_kept_days * days,
         AppliedEventsTrim(side.engine, until)),
        ("dead_letters", settings.dead_letters_kept_days * days,
         DeadLettersTrim(side.engine, published)),
        ("responses", settings.responses_kept_days * days, ResponsesTrim(responses)),
    )
    marks = StoreMarks(side.engine)
    longest_ms = max((kept.hours for kept in kinds), default=0) * HOUR_MS
    return TrimJob(kinds, telemetry, now_ms, lambda at_ms: marks.note(at_ms, at_ms - longest_ms))


def tidy_snapshots(
    settings: Settings, parts: TrainingParts, holder: str, on_lost: Callable[[], None]
) -> Upkeep:
    """Once a day: remove old snapshots, join small files, take out views and searches whose time
    is over; under the lease of the snapshots.

    Raises:
        LeaseLost: another process held the lease for two minutes.
        SnapshotDamaged: a manifest or a file is not the one that was written.
    """
    files, at_ms = parts.snapshots.files, parts.clock()
    if not files.due(UPKEEP, at_ms, 23 * HOUR_MS):
        return Upkeep()
    with snapshot_lease(parts.leases, holder, on_lost):
        upkeep = SnapshotUpkeep(files)
        needed = snapshots_needed(parts.allow_list, parts.files)
        until = parts.store.trimmed().browse_events
        done = Upkeep()
        if until and needed is not None:
            done = upkeep.rewrite(without_browse_events(until), needed, "retention", at_ms)
        kept_ms = settings.snapshots_kept_days * DAY_HOURS * HOUR_MS
        done += upkeep.tidy(at_ms - kept_ms if kept_ms else None, needed, at_ms - READ_FOR_MS,
                            at_ms)
        files.put(UPKEEP, str(at_ms).encode())
    return done


def snapshots_needed(allow_list: AllowList, models: ModelFiles[ModelBundle]) -> set[str] | None:
    """Ids of the snapshots that the kept models were trained on; None when one cannot be read."""
    needed = set()
    for record in allow_list.records():
        if record.status is ModelStatus.RETIRED:
            continue
        try:
            needed.add(models.manifest(record.version_id).data_snapshot_id)
        except ModelRefused as refusal:
            if refusal.cause == "missing":
                continue
            _log.warning("snapshots_all_kept", version_id=record.version_id, cause=refusal.cause)
            return None
    return needed


def _kept(*kinds: tuple[str, int, Trim]) -> list[Kept]:
    return [Kept(*kind) for kind in kinds if kind[1]]


def _snapshot_until(settings: Settings) -> Callable[[], int]:
    def until() -> int:
        snapshots = open_snapshots(settings)
        newest = snapshots.latest()
        if newest is None:
            return 0
        snapshots.check(newest)
        return newest.watermark_sequence

    return until
