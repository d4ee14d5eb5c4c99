"""What rerankers know of each film: popularity, genres, what resembles it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.ranking import Neighbours

HEAD_SHARE = 0.2
"""The most popular films that are no tail (the short head of a long-tailed catalogue)."""


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """Arrays by film index.

    popularity: float32 of shape (n_items,), users per film in the data of the model.
    tail: bool of shape (n_items,), films outside the `HEAD_SHARE` most popular.
    genre_starts: int32 of shape (n_items + 1,); the genres of film i are
        genre_rows[genre_starts[i]:genre_starts[i + 1]], ascending.
    genre_rows: int32 of shape (n_genres_of_all_films,). n_genres: number of genres.
    content: neighbours by what is written of a film, with their cosine.
    """

    popularity: Float32s
    tail: Bools
    genre_starts: Int32s
    genre_rows: Int32s
    n_genres: int
    content: Neighbours

    def __post_init__(self) -> None:
        for array in (self.popularity, self.tail, self.genre_starts, self.genre_rows):
            array.setflags(write=False)

    @property
    def n_items(self) -> int:
        """Number of films."""
        return len(self.popularity)


def features_of(popularity: Float32s, genre_masks: Bools, content: Neighbours) -> ItemFeatures:
    """The features of a catalogue.

    Args:
        popularity: float32 of shape (n_items,).
        genre_masks: bool of shape (n_genres, n_items).
        content: rows of n_items films.
    """
    films, genres = np.nonzero(genre_masks.T)
    starts = np.searchsorted(films, np.arange(len(popularity) + 1))
    tail = np.ones(len(popularity), np.bool_)
    order = np.argsort(-popularity, kind="stable")
    tail[order[:int(HEAD_SHARE * len(order))]] = False
    return ItemFeatures(np.array(popularity, np.float32), tail, starts.astype(np.int32),
                        genres.astype(np.int32), len(genre_masks), content)
