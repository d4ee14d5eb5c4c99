"""Small made-up events and films for the tests of the models."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from recommender.bundle import ModelBundle, tabulate
from recommender.interactions import Interactions, interactions_from_events
from recommender.models import MODELS
from recommender.models.popularity import PopularityConfig, fit_popularity
from recommender.schemas import Columns
from recommender.types import EventType, History, HistoryEntry, Movie

Row = tuple[str, str, str, float | None, int]
"""type, user, film, rating, time."""


def frame_of(rows: Iterable[Row], event_ids: list[str] | None = None) -> pd.DataFrame:
    """Rows as a frame of events; event ids count up unless given."""
    rows = list(rows)
    ids = event_ids or [f"e{n:06d}" for n in range(len(rows))]
    columns = {
        Columns.EVENT_ID: pd.Series(ids, dtype="str"),
        Columns.TYPE: pd.Series([r[0] for r in rows], dtype="str"),
        Columns.USER: pd.Series([r[1] for r in rows], dtype="str"),
        Columns.ITEM: pd.Series([r[2] for r in rows], dtype="str"),
        Columns.RATING: pd.Series([r[3] for r in rows], dtype="float64"),
        Columns.TIMESTAMP: pd.Series([r[4] for r in rows], dtype="int64"),
    }
    return pd.DataFrame(columns)


def clustered_rows(n_users: int = 60, n_items: int = 40, length: int = 12,
                   seed: int = 0) -> list[Row]:
    """Two halves of the films; each user mostly walks through one half, in order of time."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for user in range(n_users):
        half = user % 2 * (n_items // 2)
        films = half + rng.permutation(n_items // 2)[:length]
        for step, film in enumerate(films.tolist()):
            rating = None if step % 3 else float(rng.integers(2, 11)) / 2
            kind = "watch" if rating is None else "rate"
            rows.append((kind, f"u{user}", f"f{film}", rating, 1_000 * step + user))
    return rows


def clustered(n_users: int = 60, n_items: int = 40, length: int = 12,
              seed: int = 0) -> Interactions:
    """`clustered_rows` folded."""
    return interactions_from_events(frame_of(clustered_rows(n_users, n_items, length, seed)))


def films(n_items: int = 40) -> list[Movie]:
    """A film for each id of `clustered`: comedies in the first half, dramas in the second."""
    return [
        Movie(f"f{i}", f"Film {'alpha' if i % 2 else 'beta'} {i}", 1980 + i,
              ("Comedy",) if i < n_items // 2 else ("Drama",))
        for i in range(n_items)
    ]


def bundle_of(name: str, interactions: Interactions, movies: Iterable[Movie] = ()) -> ModelBundle:
    """A bundle of the named model with its defaults."""
    movies = list(movies)
    interactions = interactions.with_items(movie.item_id for movie in movies)
    spec = MODELS[name]
    return ModelBundle(
        name, tuple(spec.hyperparameters({}).items()), interactions.item_ids,
        spec.fit_with(interactions, {}), fit_popularity(interactions, PopularityConfig()),
        tabulate(movies, interactions.item_ids), interactions.watermark_ms,
    )


def history_of(rows: Iterable[Row], user: str, searches: tuple[str, ...] = ()) -> History:
    """The state that a store keeps of one user after these rows, whatever their order."""
    latest: dict[tuple[str, str], HistoryEntry] = {}
    rows, version = list(rows), 0
    undone = [(item, at, f"e{n:06d}") for n, (kind, who, item, _, at) in enumerate(rows)
              if (kind, who) == ("undo", user)]
    for version, (kind, who, item, rating, at) in enumerate(rows, start=1):
        if who != user or kind == "undo":
            continue
        if any(film == item and (at, f"e{version - 1:06d}") < (until, by)
               for film, until, by in undone):
            continue
        entry = HistoryEntry(item, EventType(kind), rating, at, f"e{version - 1:06d}")
        known = latest.get((item, kind))
        if known is None or (known.timestamp_ms, known.event_id) < (at, entry.event_id):
            latest[item, kind] = entry
    entries = sorted(latest.values(), key=lambda e: (e.timestamp_ms, e.event_id))
    return History(user, version if entries else 0, tuple(entries), searches)
