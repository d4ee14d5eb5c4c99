"""The active catalogue and the people, as the audits see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from recommender.arrays import Bools, Int64s
from recommender.interactions import Interactions
from recommender.metrics import with_places
from recommender.types import Movie, Person

DAY_MS = 86_400_000
NEW_DAYS = 90
"""A film without an event is active as long as it was added within so many days."""


@dataclass(frozen=True, eq=False)
class CatalogueView:
    """The films that count, and what is known of people.

    item_ids: n_items ids of the active catalogue. place: index by id. taken_by: int64 of shape
    (n_items,), people who took each film. added_ms: int64 of shape (n_items,). genres: n_genres
    names; genre_masks: bool of shape (n_genres, n_items). people: by user id.
    """

    item_ids: tuple[str, ...]
    place: Mapping[str, int]
    taken_by: Int64s
    added_ms: Int64s
    genres: tuple[str, ...]
    genre_masks: Bools
    people: Mapping[str, Person]

    def places(self, lists: Iterable[Iterable[str]], k: int) -> Int64s:
        """Film indexes of lists: int64 of shape (n_lists, k), -1 fills up and is what is not
        active."""
        find = self.place.get
        return with_places([[find(item_id, -1) for item_id in items][:k] for items in lists], k)


def frozen_view(view: CatalogueView, interactions: Interactions, before_ms: int) -> CatalogueView:
    """The same films with the popularity that they had before a time (UTC ms).

    What was shown in a period must not decide which films count as popular in it.
    """
    earlier = interactions.select(interactions.first_timestamps < before_ms)
    counts = dict(zip(earlier.item_ids, earlier.item_counts().tolist(), strict=True))
    taken_by = np.array([counts.get(item_id, 0) for item_id in view.item_ids], np.int64)
    return replace(view, taken_by=taken_by)


def view_catalogue(
    interactions: Interactions, movies: Iterable[Movie], people: Iterable[Person], at_ms: int
) -> CatalogueView:
    """Active is what has an event, or was added in the last `NEW_DAYS` days before `at_ms`."""
    films = {movie.item_id: movie for movie in movies}
    counts = dict(zip(interactions.item_ids, interactions.item_counts().tolist(), strict=True))
    since = at_ms - NEW_DAYS * DAY_MS
    ids = tuple(sorted({
        *(item_id for item_id, count in counts.items() if count),
        *(item_id for item_id, film in films.items() if film.added_at_ms >= since)}))
    known = [films.get(item_id) for item_id in ids]
    genres = tuple(sorted({genre for film in known if film for genre in film.genres}))
    row = {genre: n for n, genre in enumerate(genres)}
    masks = np.zeros((len(genres), len(ids)), np.bool_)
    for n, film in enumerate(known):
        for genre in film.genres if film else ():
            masks[row[genre], n] = True
    return CatalogueView(
        ids, {item_id: n for n, item_id in enumerate(ids)},
        np.array([counts.get(item_id, 0) for item_id in ids], np.int64),
        np.array([film.added_at_ms if film else 0 for film in known], np.int64),
        genres, masks, {person.user_id: person for person in people})
