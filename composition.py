"""Builds adapters from the settings, for the server and for the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine

from adapters.allow_list import SqlAllowList
from adapters.api_keys import SqlApiKeys
from adapters.audit_log import SqlAuditLog
from adapters.catalogue import SqlCatalogue
from adapters.database import open_database
from adapters.event_review import SqlEventReview
from adapters.event_store import SqlEventStore
from adapters.imports import SqlImports
from adapters.job_leases import SqlJobLeases
from adapters.model_files import ModelFiles
from adapters.response_log import SqlResponseLog
from adapters.signing import Verifier, open_signer, open_verifier, public_key_file
from adapters.snapshot_files import SnapshotFiles
from adapters.snapshots import Snapshots
from adapters.sqlite_engine import CACHE_KIB
from recommender.bundle import ModelBundle
from recommender.errors import ModelRefused
from recommender.manifest import Manifest
from recommender.rerank.chain import chain_of
from recommender.serving_configuration import Reranking
from settings import Settings
from settings_groups.bus import Bus

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoreSide:
    """Everything over the store's database."""

    engine: Engine
    store: SqlEventStore
    catalogue: SqlCatalogue
    imports: SqlImports
    api_keys: SqlApiKeys
    audit: SqlAuditLog
    allow_list: SqlAllowList
    leases: SqlJobLeases
    review: SqlEventReview

    @property
    def remote(self) -> bool:
        """Whether a query may wait for a network."""
        return self.engine.dialect.name != "sqlite"

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()


IMPORT_CACHE_KIB = 65_536
"""Page cache of the one connection of an import: 12 % faster than with the usual 4 MiB."""


def open_store(settings: Settings, cache_kib: int = CACHE_KIB) -> StoreSide:
    """Open and migrate the store.

    `cache_kib` of page cache a connection: an import is faster with more.

    Raises:
        StoreUnavailable: it cannot be opened.
    """
    engine = open_database(settings.store(), "store", cache_kib)
    return StoreSide(
        engine, SqlEventStore(engine), SqlCatalogue(engine), SqlImports(engine),
        SqlApiKeys(engine), SqlAuditLog(engine), SqlAllowList(engine), SqlJobLeases(engine),
        SqlEventReview(engine),
    )


def reranking_of(settings: Settings, now_ms: Callable[[], int]) -> Reranking:
    """How lists are reordered, by the settings.

    Raises:
        InvalidField: an unknown reranker.
    """
    return Reranking(chain_of(settings.rerank, settings.rerank_pool), settings.diversity_reranker,
                     settings.rerank_period_s * 1000, now_ms=now_ms)


def open_response_log(settings: Settings) -> SqlResponseLog:
    """Where answers are kept."""
    return SqlResponseLog(
        open_database(settings.responses(), "responses"), settings.response_log_queue_max,
        settings.response_log_flush_s, for_topics=publishes_answers(settings),
    )


def publishes_answers(settings: Settings) -> bool:
    """Whether answers go to topics: with an outer bus only."""
    return settings.bus is Bus.KAFKA and settings.publish_answers


def open_snapshots(settings: Settings) -> Snapshots:
    """Where the Parquet snapshots are.

    Raises:
        ImportError, ValueError: the URL cannot be used here.
    """
    return Snapshots(SnapshotFiles(settings.snapshots(), settings.snapshots_options))


def open_model_files(settings: Settings, publishing: bool) -> ModelFiles[ModelBundle]:
    """The registry; the private key is opened (and made at first) for publishing only."""
    signer = open_signer(settings.signing_key()) if publishing else None
    return ModelFiles(
        settings.registry_folder, ModelBundle, open_keys(settings), signer,
        settings.model_file_max_bytes,
    )


def manifest_of(settings: Settings, version_id: str) -> Manifest | None:
    """The manifest of a version; None when it is refused, which is logged."""
    try:
        return open_model_files(settings, publishing=False).manifest(version_id)
    except ModelRefused as refusal:
        _log.warning("manifest_refused", version_id=version_id, cause=refusal.cause)
        return None


def open_keys(settings: Settings) -> Verifier:
    """The accepted public keys: the one beside the private key when it is here, and all others."""
    own = public_key_file(settings.signing_key())
    return open_verifier([*([own] if own.exists() else []), *settings.verify_key_files])
