"""What the commands around training and the registry are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.code_state import read_code_state
from adapters.database import open_database
from adapters.model_files import ModelFiles
from adapters.outbox_messages import append_for_relay
from adapters.outputs import OutputFolder
from adapters.rollouts import SqlRollouts
from adapters.snapshots import Snapshots
from clock import now_ms
from composition import open_model_files, open_snapshots, open_store
from recommender.bundle import ModelBundle
from recommender.ports import AllowList, AuditLog, Catalogue, EventStore, JobLeases, Rollouts
from recommender.provenance import CodeState
from recommender.types import Message
from settings import Settings
from settings_groups.bus import Bus

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class TrainingParts:
    """`clock` gives UTC milliseconds. `announce` puts messages, by their ids, on the way to an
    outer bus; without one it does nothing."""

    store: EventStore
    catalogue: Catalogue
    snapshots: Snapshots
    files: ModelFiles[ModelBundle]
    allow_list: AllowList
    leases: JobLeases
    audit: AuditLog
    code: CodeState
    outputs: OutputFolder
    rollouts: Rollouts
    clock: Callable[[], int]
    announce: Callable[[Mapping[str, Message]], object] = lambda _messages: None


@contextmanager
def open_training(settings: Settings, publishing: bool = True) -> Iterator[TrainingParts]:
    """All parts; the private key for publishing only. The database is let go of at the end.

    Raises:
        StoreUnavailable: the store cannot be opened.
        UnusableKey: as `adapters.signing.open_signer` says.
    """
    side = open_store(settings)
    try:
        yield TrainingParts(
            side.store, side.catalogue, open_snapshots(settings),
            open_model_files(settings, publishing), side.allow_list, side.leases, side.audit,
            read_code_state(REPOSITORY), OutputFolder(settings.outputs_folder),
            SqlRollouts(side.engine), now_ms, _announcing(settings),
        )  # fmt: skip
    finally:
        side.close()


def _announcing(settings: Settings) -> Callable[[Mapping[str, Message]], object]:
    def announce(messages: Mapping[str, Message]) -> None:
        # The embedded log belongs to the process that serves, and nobody reads this there.
        if settings.bus is not Bus.KAFKA:
            return
        engine = open_database(settings.log(), "log")
        try:
            append_for_relay(engine, messages)
        finally:
            engine.dispose()

    return announce
