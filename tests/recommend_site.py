"""/recommend over a simulated world, in memory, with what it keeps in sight."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from adapters.telemetry import PrometheusTelemetry
from recommender.bundle import ModelBundle
from recommender.interactions import interactions_from_events
from recommender.kept import KeptUsers
from recommender.schemas import Columns
from recommender.serving import EncodedUser, similar
from recommender.serving_configuration import Reranking
from recommender.simulate import World as Simulated
from recommender.simulate import WorldSpec, simulate_world
from recommender.types import Event, EventType, ModelRecord, ModelStatus
from tests.fakes import InMemoryEventStore
from tests.small_data import bundle_of
from tests.web_world import Clock, World, served_model
from web.cards import Cards
from web.lists import Lists
from web.model_lists import ModelLists
from web.recommend import topic
from web.recommendation_answer import EncodedAnswer
from web.services import ServedModel, WebOptions
from web.surface import Surface

SPEC = WorldSpec(seed=5, n_movies=120, n_users=60, n_events=1_500)
ADDRESS = {"REMOTE_ADDR": "203.0.113.7"}
USER, OTHER = "u1", "u2"


class Counted(KeptUsers[EncodedUser, EncodedAnswer]):
    """Counts how often a history was read."""

    loads = 0

    def __init__(self, load: Any, maximum: int) -> None:
        def counted(user_id: str) -> Any:
            self.loads += 1
            return load(user_id)

        super().__init__(counted, maximum)


class Site(World):
    """The application with /recommend over a simulated world.

    `kept` is what it keeps; `loaded` are the models read because someone asked for them.
    """

    def __init__(self, web_options: WebOptions | None = None, keep_lists: bool = True,
                 model: str | None = "transition_knn",
                 ratings_per_hour: int | None = None,
                 reranking: Callable[[Clock], Reranking] = lambda clock: Reranking()) -> None:
        self.loaded: list[str] = []
        self.kept: Counted
        self.cards: Cards
        self.lists: Lists
        self.models: ModelLists
        telemetry = PrometheusTelemetry(Clock())

        def lists(surface: Surface) -> None:
            services = surface.services
            self.kept = Counted(services.store.history, 1_000)
            self.cards = Cards(services.catalogue)
            self.lists = Lists(self.kept, services.store.history, self.cards, services.serving,
                               keep_lists, reranking(self.clock))
            self.models = ModelLists(services.allow_list, self.lists, self._load)
            topic(self.lists, self.models)(surface)

        super().__init__(web_options, ratings_per_hour, telemetry, telemetry.registry,
                         [lists, self.further_topic], similar)
        self.add_movies(*simulated().movies)
        self.store.begin_as(applied())
        self.cards.refresh()
        if model is not None:
            self.serve(model)

    def further_topic(self, surface: Surface) -> None:
        """What a test adds to the routes."""

    def _load(self, record: ModelRecord) -> ServedModel:
        self.loaded.append(record.version_id)
        return served_model(record, trained(record.name))

    def serve(self, model: str, version_id: str = "20260101T000000Z") -> None:
        self.add_model(version_id, ModelStatus.SERVING, model, trained(model))

    def ask(self, query: str = f"user_id={USER}", **headers: str) -> Any:
        return self.client.get(f"/recommend?{query}", headers=headers, environ_overrides=ADDRESS)

    def items(self, query: str = f"user_id={USER}") -> list[str]:
        answer = self.ask(query)
        assert answer.status_code == 200, answer.data
        return [film["item_id"] for film in answer.json["recommendations"]]

    def happened(self, kind: EventType, item_id: str, rating: float | None = None,
                 user_id: str = USER) -> None:
        """Apply an event and forget what was kept of the user, as ingest does."""
        at_ms = self.clock()
        event = Event(f"e-{item_id}-{kind}", kind, user_id, item_id, at_ms, at_ms, "t", rating)
        self.apply([event])
        self.kept.forget([user_id])

    def metric(self, name: str, **labels: str) -> float:
        text = self.client.get("/metrics").text
        samples = (s for f in text_string_to_metric_families(text) for s in f.samples)
        return sum(s.value for s in samples
                   if s.name == name and labels.items() <= s.labels.items())


@cache
def simulated() -> Simulated:
    return simulate_world(SPEC)


@cache
def applied() -> InMemoryEventStore:
    store = InMemoryEventStore()
    store.apply(simulated().events)
    return store


@cache
def trained(model: str) -> ModelBundle:
    world = simulated()
    return bundle_of(model, interactions_from_events(world.events), world.movies)


def seen_by(user_id: str) -> set[str]:
    events = simulated().events
    return set(events.loc[events[Columns.USER] == user_id, Columns.ITEM])


def films_of(genre: str) -> set[str]:
    return {movie.item_id for movie in simulated().movies if genre in movie.genres}


def without_its_own(body: bytes) -> bytes:
    """The body without what differs from request to request."""
    named = re.sub(rb'"request_id":"[^"]+"', b"", body)
    return re.sub(rb'"generated_at":"[^"]+"', b"", named)
