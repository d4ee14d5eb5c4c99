"""Everything that the web asks of the rest of the program, and the plain values it runs with."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from prometheus_client import CollectorRegistry

from recommender import serving_configuration, serving_state
from recommender.erasure import ErasureReport
from recommender.ports import (
    AllowList,
    ApiKeys,
    AuditLog,
    AuditReports,
    Catalogue,
    EventReview,
    EventStore,
    Outbox,
    ProgramState,
    ResponseLog,
    Rollouts,
    Telemetry,
)
from recommender.requeue import Requeued
from recommender.retraining import RetrainAnswer, RetrainStatus

ServedModel: TypeAlias = serving_state.ServedModel[Any]
ServingState: TypeAlias = serving_state.ServingState[Any]
Configuration: TypeAlias = serving_configuration.ServingConfiguration[Any]
ConfigurationChoice: TypeAlias = serving_configuration.ConfigurationChoice[Configuration]


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
        """Serve the model of this version id, integer version or name, or `AUTOMATIC`.

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


class Requeue(Protocol):
    """Puts events of dead letters back on their topics. Writes the audit entry under `actor`."""

    def one(self, sequence: int, actor: str) -> Requeued:
        """The event of this letter, also when that was done before.

        Raises:
            NotFound: no such letter.
            BusUnavailable: nothing is known to be published.
        """
        ...

    def matching(self, text: str, actor: str) -> Requeued:
        """Those of open letters with this text, as many as one call takes."""
        ...


class ErasureState(Protocol):
    """How erasures do."""

    @property
    def running(self) -> bool:
        """Whether one is under way."""
        ...

    @property
    def last(self) -> ErasureReport | None:
        """What came of the last one of this process."""
        ...

    @property
    def failure(self) -> str | None:
        """Why the last one could not begin."""
        ...

    @property
    def unfinished(self) -> Sequence[str]:
        """References of those to be repeated."""
        ...


class Erasure(Protocol):
    """Takes a person out of everything, behind the request. Writes the audit entry."""

    def request(self, user_id: str, actor: str) -> bool:
        """Begin; False while another one runs."""
        ...

    def state(self) -> ErasureState:
        """As of now."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes call.

    `serving` holds the served model; `similar` reads its bundle. `manifest` gives the verified
    manifest of a version id, None when there is none; `bus_problem` tells without waiting why
    the message bus cannot be used (None when it can); `now_ms` is the clock, in UTC ms. `rollouts`
    tell why an answer was of its arm, where there are any.
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
    review: EventReview
    requeue: Requeue
    program: ProgramState
    erasure: Erasure
    audits: AuditReports
    rollouts: Rollouts | None = None


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """A setting as people may see it: its name and value as text, where the value comes from.

    `source` is default, environment or .env; `value` of a secret says only whether there is one.
    """

    group: str
    name: str
    value: str
    source: str
    about: str


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Plain values. `limits_storage_uri` is a storage of the `limits` library.

    `session_secret` signs the cookies of the pages, which end after `session_s`; `login_limit` is
    a limit of attempts by address. `page_wait_s` is how long a page waits for what its visitor did
    to be applied. `diversity_max` bounds the `diversity` that a request may ask for. `settings` are
    shown to administrators.
    """

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
    session_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    session_s: int = 12 * 3600
    cookies_secure: bool = False
    login_limit: str = "10 per minute"
    page_wait_s: float = 1.0
    diversity_max: float = 1.0
    settings: tuple[SettingInForce, ...] = ()
