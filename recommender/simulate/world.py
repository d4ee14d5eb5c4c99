"""A whole invented world: films, people, and what they did."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from recommender.errors import InvalidField
from recommender.schemas import Columns
from recommender.simulate.catalogue import simulate_catalogue
from recommender.simulate.events import simulate_events
from recommender.simulate.people import simulate_people
from recommender.types import Movie, Person

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """Everything that a world depends on; equal specs give equal worlds.

    `end_ms` (UTC ms) is fixed rather than the present so that a second start on another day
    makes the same events under the same ids.
    """

    seed: int = 7
    n_movies: int = 2_000
    n_users: int = 1_000
    n_events: int = 100_000
    days: int = 730
    end_ms: int = 1_761_955_200_000  # 2025-11-01T00:00:00Z

    def __post_init__(self) -> None:
        for name in ("n_movies", "n_users", "n_events", "days"):
            if getattr(self, name) < 1:
                raise InvalidField(name, "must be at least 1")
        if self.seed < 0:
            raise InvalidField("seed", "must be at least 0")
        if self.end_ms < self.days * _DAY_MS:
            raise InvalidField("days", "the world would begin before 1970")

    @property
    def world_id(self) -> str:
        """Short name of the spec; the ids of its events begin with it."""
        return (
            f"sim:{self.seed}-{self.n_movies}-{self.n_users}-{self.n_events}"
            f"-{self.days}-{self.end_ms}"
        )


@dataclass(frozen=True, slots=True)
class World:
    """What `simulate_world` made. `events` has the columns `Columns.EVENT`, oldest first.

    `successors` tells for a film which films its watchers tend to pick next, likeliest first.
    """

    movies: tuple[Movie, ...]
    people: tuple[Person, ...]
    events: pd.DataFrame
    successors: dict[str, tuple[str, ...]]

    def with_events(self, more: pd.DataFrame) -> World:
        """The same world in which also `more` happened, in the order of time (spammers, say)."""
        events = pd.concat([self.events, more], ignore_index=True)
        keys = [Columns.TIMESTAMP, Columns.EVENT_ID]
        return replace(self, events=events.sort_values(keys, kind="stable", ignore_index=True))


def simulate_world(spec: WorldSpec) -> World:
    """The world of `spec`; the same on every machine.

    Raises:
        InvalidField: people and films are too few for so many events.
    """
    # A stream each, so that more films do not change who the people are.
    streams = [np.random.default_rng([spec.seed, part]) for part in range(3)]
    start_ms = spec.end_ms - spec.days * _DAY_MS
    catalogue = simulate_catalogue(spec.n_movies, start_ms, spec.end_ms, streams[0])
    crowd = simulate_people(spec.n_users, streams[1])
    events = simulate_events(
        catalogue, crowd, spec.n_events, start_ms, spec.end_ms, streams[2], spec.world_id
    )
    ids = [movie.item_id for movie in catalogue.movies]
    successors = {
        item_id: tuple(ids[row] for row in rows)
        for item_id, rows in zip(ids, catalogue.successors.tolist(), strict=True)
    }
    return World(catalogue.movies, crowd.people, events, successors)
