"""Everything that the web asks of the rest of the program, and the plain values it runs with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from prometheus_client import CollectorRegistry

from recommender import serving_state
from recommender.ports import (
    AllowList,
    ApiKeys,
    AuditLog,
    Catalogue,
    EventStore,
    Outbox,
    ResponseLog,
    Telemetry,
)
from recommender.retraining import RetrainAnswer, RetrainStatus

ServedModel: TypeAlias = serving_state.ServedModel[Any]
ServingState: TypeAlias = serving_state.ServingState[Any]


class Retrain(Protocol):
    """The retrain job as seen from outside."""

    def request(self, reason: str, actor: str) -> RetrainAnswer:
        """Start a retrain unless one is under way. Writes the audit entry."""
        ...

    def status(self) -> RetrainStatus:
        """The newest retrain."""
        ...


class ModelSwitch(Protocol):
    """Changes which model serves. Writes the audit entry under `actor`."""

    def switch(self, reference: str, actor: str) -> ServedModel:
        """Serve the model of this version id, integer version or name.

        Raises:
            NotFound: there is none.
            ModelRefused: it is refused or retired, or its files failed verification.
        """
        ...

    def rollback(self, reference: str | None, actor: str) -> ServedModel:
        """Go back to an earlier model; raises as `switch` does."""
        ...


class SimilarFilms(Protocol):
    """Neighbours of a film in a bundle."""

    def __call__(self, bundle: Any, item_id: str, k: int, /) -> Sequence[tuple[str, str]]:
        """At most k (item_id, kind) pairs, nearest first; empty for a film it does not know."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes call.

    `serving` holds the served model; `similar` reads its bundle. `manifest` gives the verified
    manifest of a version id, None when there is none; `bus_problem` tells without waiting why
    the message bus cannot be used (None when it can); `now_ms` is the clock, in UTC ms.
    """

    outbox: Outbox
    store: EventStore
    catalogue: Catalogue
    response_log: ResponseLog
    allow_list: AllowList
    api_keys: ApiKeys
    audit_log: AuditLog
    telemetry: Telemetry
    serving: ServingState
    retrain: Retrain
    switch: ModelSwitch
    similar: SimilarFilms
    manifest: Callable[[str], Mapping[str, Any] | None]
    bus_problem: Callable[[], str | None]
    metrics_registry: CollectorRegistry
    now_ms: Callable[[], int]


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Plain values. `limits_storage_uri` is a storage of the `limits` library."""

    client_keys_required: bool = False
    catalogue_open: bool = True
    request_body_max_bytes: int = 1 << 20
    batch_lines_max: int = 10_000
    rate_limit_per_minute: int = 100
    rate_limit_blocked_after: int = 3
    rate_limit_block_s: int = 300
    retrain_limit: str = "6 per minute"
    limits_storage_uri: str = "window-memory://"
    trusted_proxies: int = 0
    cors_origins: tuple[str, ...] = ()
