"""What the commands around training and the registry are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.code_state import read_code_state
from adapters.model_files import ModelFiles
from adapters.outputs import OutputFolder
from adapters.snapshots import Snapshots
from clock import now_ms
from composition import open_model_files, open_snapshots, open_store
from recommender.bundle import ModelBundle
from recommender.ports import AllowList, AuditLog, Catalogue, EventStore, JobLeases
from recommender.provenance import CodeState
from settings import Settings

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class TrainingParts:
    """`clock` gives UTC milliseconds."""

    store: EventStore
    catalogue: Catalogue
    snapshots: Snapshots
    files: ModelFiles[ModelBundle]
    allow_list: AllowList
    leases: JobLeases
    audit: AuditLog
    code: CodeState
    outputs: OutputFolder
    clock: Callable[[], int]


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
            read_code_state(REPOSITORY), OutputFolder(settings.outputs_folder), now_ms,
        )  # fmt: skip
    finally:
        side.close()
