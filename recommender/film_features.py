"""What is written of films as numbers, for models that place a film nobody took yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from recommender.arrays import Float32s
from recommender.types import Movie

FIRST_DECADE, LAST_DECADE = 1900, 2040


def film_features(movies: Iterable[Movie], item_ids: Sequence[str]) -> Float32s:
    """A row for each film: its genres, which share 1 among them, and its decade, 1.

    Returns:
        float32 of shape (n_items, n_features); zeros for a placeholder or an unknown film.
    """
    by_id = {movie.item_id: movie for movie in movies if not movie.placeholder}
    films = [by_id.get(item_id) for item_id in item_ids]
    genres = sorted({genre for film in films if film for genre in film.genres})
    column = {genre: index for index, genre in enumerate(genres)}
    n_decades = (LAST_DECADE - FIRST_DECADE) // 10 + 1
    features = np.zeros((len(films), len(genres) + n_decades), np.float32)
    for row, film in enumerate(films):
        if film is None:
            continue
        for genre in film.genres:
            features[row, column[genre]] = 1.0 / len(film.genres)
        if film.year is not None:
            year = min(max(film.year, FIRST_DECADE), LAST_DECADE)
            features[row, len(genres) + (year - FIRST_DECADE) // 10] = 1.0
    return features
