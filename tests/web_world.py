"""A web application over in-memory fakes, with a clock that tests move."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask
from prometheus_client import CollectorRegistry

from recommender.errors import NotFound
from recommender.retraining import RetrainAnswer, RetrainStatus
from recommender.serving_state import ServedModel, ServingState
from recommender.types import (
    AUTOMATIC,
    HELD,
    AuditEntry,
    Event,
    ModelRecord,
    ModelStatus,
    Movie,
    Role,
    ServingChoice,
)
from tests.fake_administration import (
    CountingTelemetry,
    InMemoryAllowList,
    InMemoryApiKeys,
    InMemoryAuditLog,
    InMemoryErasure,
)
from tests.fake_audits import InMemoryAudits
from tests.fake_review import InMemoryEventReview, InMemoryTopics, SetProgramState
from tests.fakes import (
    InMemoryCatalogue,
    InMemoryEventStore,
    InMemoryOutbox,
    InMemoryResponseLog,
    event_frame,
)
from web.application import create_app
from web.services import Services, SimilarFilms, WebOptions
from web.surface import Register, Surface
from workers.requeue import Requeuer

NOW_MS = 1_795_000_000_000
UNLIMITED = 10**9


class Clock:
    """Tells the time it was set to."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class InMemoryRetrain:
    """Runs until `finish`."""

    def __init__(self, clock: Clock, audit_log: InMemoryAuditLog) -> None:
        self._clock = clock
        self._audit_log = audit_log
        self._status = RetrainStatus(running=False)

    def request(self, reason: str, actor: str) -> RetrainAnswer:
        started = not self._status.running
        if started:
            now_ms = self._clock()
            self._audit_log.append(AuditEntry(now_ms, actor, "retrain", "", "accepted"))
            self._status = RetrainStatus(True, reason, actor, now_ms)
        return RetrainAnswer(started, self._status)

    def status(self) -> RetrainStatus:
        return self._status

    def finish(self, outcome: str) -> None:
        self._status = dataclasses.replace(
            self._status, running=False, finished_at_ms=self._clock(), outcome=outcome)


class InMemorySwitch:
    """Serves a model of the allow-list and swaps the serving state."""

    def __init__(self, clock: Clock, allow_list: InMemoryAllowList, audit_log: InMemoryAuditLog,
                 serving: ServingState[Any]) -> None:
        self._clock = clock
        self._allow_list = allow_list
        self._audit_log = audit_log
        self._serving = serving

    def switch(self, reference: str, actor: str) -> ServedModel[Any]:
        return self._serve("switch", reference, actor)

    def rollback(self, reference: str | None, actor: str) -> ServedModel[Any]:
        if reference is None:
            before = (r for r in self._allow_list.records() if r.status is ModelStatus.PREVIOUS)
            reference = next((record.version_id for record in before), "")
        return self._serve("rollback", reference, actor)

    def _serve(self, action: str, reference: str, actor: str) -> ServedModel[Any]:
        automatic = (action, reference) == ("switch", AUTOMATIC)
        found = self._allow_list.serving() if automatic else self._allow_list.find(reference)
        if found is None:
            raise NotFound(f"there is no model {reference}")
        by_name = automatic or (action == "switch" and reference == found.name)
        choice = ServingChoice(reference) if by_name else HELD
        record = self._allow_list.serve(found.version_id, self._clock(), choice=choice)
        served = served_model(record)
        self._serving.swap(served)
        self._audit_log.append(
            AuditEntry(self._clock(), actor, action, record.version_id, "done"))
        return served


def served_model(record: ModelRecord, bundle: Any = None) -> ServedModel[Any]:
    """The model of a record as served; its bundle is a dictionary of neighbours."""
    return ServedModel(record.name, record.version, record.version_id, "0123abc", "sha256:9f",
                       record.created_at_ms, bundle or {})


def neighbours(bundle: Any, item_id: str, k: int) -> list[tuple[str, str]]:
    """The neighbours that the test put into the bundle."""
    found: list[tuple[str, str]] = bundle.get(item_id, [])
    return found[:k]


class World:
    """Everything a test of the web needs; attributes are the fakes behind the application."""

    def __init__(self, options: WebOptions | None = None, ratings_per_hour: int | None = None,
                 telemetry: Any = None, registry: CollectorRegistry | None = None,
                 further_topics: Iterable[Register] = (),
                 similar: SimilarFilms | None = None) -> None:
        self.clock = Clock()
        self.outbox = InMemoryOutbox(ratings_per_hour)
        self.store = InMemoryEventStore()
        self.catalogue = InMemoryCatalogue(self.store)
        self.response_log = InMemoryResponseLog()
        self.allow_list = InMemoryAllowList()
        self.api_keys = InMemoryApiKeys()
        self.audit_log = InMemoryAuditLog()
        self.telemetry = telemetry or CountingTelemetry()
        self.serving: ServingState[Any] = ServingState()
        self.retrain = InMemoryRetrain(self.clock, self.audit_log)
        self.manifests: dict[str, Mapping[str, Any]] = {}
        self.bus_up = True
        self.bus = InMemoryTopics()
        self.review = InMemoryEventReview(self.store)
        self.program = SetProgramState()
        self.erasure = InMemoryErasure()
        self.audits = InMemoryAudits()
        self.services = Services(
            outbox=self.outbox, store=self.store, catalogue=self.catalogue,
            response_log=self.response_log, allow_list=self.allow_list, api_keys=self.api_keys,
            audit_log=self.audit_log, telemetry=self.telemetry, serving=self.serving,
            retrain=self.retrain,
            switch=InMemorySwitch(self.clock, self.allow_list, self.audit_log, self.serving),
            similar=similar or neighbours, manifest=self.manifests.get,
            bus_problem=lambda: None if self.bus_up else "no broker",
            metrics_registry=registry or CollectorRegistry(), now_ms=self.clock,
            review=self.review, program=self.program, erasure=self.erasure, audits=self.audits,
            requeue=Requeuer(self.review, self.bus, self.audit_log, self.clock))
        self.options = options or WebOptions(rate_limit_per_minute=UNLIMITED)
        self.surface: Surface

        def keep(surface: Surface) -> None:
            self.surface = surface

        self.app: Flask = create_app(self.services, self.options, [keep, *further_topics])
        # untyped, so that tests look into JSON answers without casts
        self.client: Any = self.app.test_client()

    def apply_accepted(self) -> None:
        """Apply what the outbox took, as ingest does."""
        self.apply(self.outbox.events.values())

    def apply(self, events: Iterable[Event]) -> None:
        """Apply events."""
        self.store.apply(event_frame(events))

    def add_model(self, version_id: str, status: ModelStatus, name: str = "knn",
                  bundle: Any = None) -> ModelRecord:
        """Register a model; a serving one is served."""
        record = self.allow_list.register(
            version_id, name, status, f"hash-of-{version_id}", self.clock())
        if status is ModelStatus.SERVING:
            self.serving.swap(served_model(record, bundle))
        return record

    def add_movies(self, *movies: Movie) -> None:
        """Put films into the catalogue."""
        self.catalogue.add_movies(movies)

    def key(self, role: Role, user_id: str | None = None) -> dict[str, str]:
        """The header of a new key."""
        _, secret = self.api_keys.create(role, f"{role.value}-{user_id}", self.clock(), user_id)
        return {"Authorization": f"Bearer {secret}"}


def options(**values: Any) -> WebOptions:
    """Options without a rate limit, changed by `values`."""
    return WebOptions(**{"rate_limit_per_minute": UNLIMITED, **values})
