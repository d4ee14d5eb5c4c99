"""Intra-list diversity: how different the genres of the films of one list are.

1 - mean over all pairs of films of the Jaccard similarity |g_i and g_j| / |g_i or g_j| of their
genres (Ziegler et al. 2005 with Jaccard as the similarity). A film without a known genre says
nothing and is left out; a list with fewer than two others has no diversity.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from recommender.arrays import Bools, Float64s

_CELLS = 2_000_000
"""Numbers held at once while lists are compared: 16 MB."""
_WAITING_MAX = 8_192


def genre_masks(genres_of: Iterable[Iterable[str]]) -> Bools:
    """Bool of shape (n_items, n_genres), which film has which genre, genres by alphabet."""
    films = [frozenset(genres) for genres in genres_of]
    place = {genre: n for n, genre in enumerate(sorted(frozenset().union(*films)))}
    masks = np.zeros((len(films), len(place)), np.bool_)
    for row, genres in enumerate(films):
        masks[row, [place[genre] for genre in genres]] = True
    return masks


def list_diversity(lists: npt.NDArray[np.integer], masks: Bools) -> Float64s:
    """Diversity of each list: float64 of shape (n_lists,), NaN where there is none.

    Args:
        lists: of shape (n_lists, k), film indexes, negative where a list is shorter.
        masks: bool of shape (n_items, n_genres).
    """
    n_lists, k = lists.shape
    width = masks.shape[1] + k
    step = max(1, _CELLS // max(k * width, 1))
    # One row more: what an index of -1 points at, a film of no genre.
    rows = np.vstack((masks, np.zeros((1, masks.shape[1]), np.bool_))).astype(np.float32)
    parts = [_diversity(rows[np.maximum(lists[at : at + step], -1)])
             for at in range(0, n_lists, step)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _diversity(films: npt.NDArray[np.float32]) -> Float64s:
    """Films: float32 of shape (n_lists, k, n_genres), 1 where the film has the genre."""
    both = np.matmul(films, films.transpose(0, 2, 1)).astype(np.float64)
    sizes = films.sum(axis=2, dtype=np.float64)
    either = sizes[:, :, None] + sizes[:, None, :] - both
    known = sizes > 0
    jaccard = np.divide(both, either, out=np.zeros_like(both),
                        where=known[:, :, None] & known[:, None, :])
    n_known = known.sum(axis=1)
    # Over ordered pairs; each film with itself gives 1.
    pairs = n_known * (n_known - 1)
    found = np.full(len(films), np.nan)
    enough = pairs > 0
    twice = jaccard.sum(axis=(1, 2)) - n_known
    found[enough] = 1.0 - twice[enough] / pairs[enough]
    return found


class GenreTable:
    """Genres by film id, as rows of masks.

    Args:
        genres: genres by film id; a film without any says nothing.
    """

    def __init__(self, genres: Mapping[str, Iterable[str]]) -> None:
        self._place: dict[str | int, int] = {item_id: n for n, item_id in enumerate(genres)}
        # The same ids where they are written as numbers.
        self._place.update((int(item_id), n) for item_id, n in tuple(self._place.items())
                           if isinstance(item_id, str) and item_id.isdecimal()
                           and str(int(item_id)) == item_id)
        self.masks = genre_masks(genres.values())

    def rows(self, item_ids: Iterable[str | int]) -> list[int]:
        """The row of each film in `masks`, -1 for one that is not known."""
        find = self._place.get
        return [find(item_id, -1) for item_id in item_ids]


class DiversitySum:
    """Mean diversity of very many lists, added one at a time."""

    def __init__(self, table: GenreTable) -> None:
        self._table = table
        self._waiting: dict[int, list[list[int]]] = {}
        self._n_waiting = 0
        self._sum = 0.0
        self._lists = 0

    def add(self, item_ids: Iterable[str | int]) -> None:
        """One list."""
        rows = self._table.rows(item_ids)
        if len(rows) < 2:
            return
        self._waiting.setdefault(len(rows), []).append(rows)
        self._n_waiting += 1
        if self._n_waiting >= _WAITING_MAX:
            self._take()

    def mean(self, *others: DiversitySum) -> float | None:
        """Mean over the lists of this and the others that have a diversity, None without any."""
        everyone = (self, *others)
        for one in everyone:
            one._take()
        lists = sum(one._lists for one in everyone)
        return math.fsum(one._sum for one in everyone) / lists if lists else None

    def _take(self) -> None:
        for rows in self._waiting.values():
            found = list_diversity(np.array(rows, np.int64), self._table.masks)
            known = found[~np.isnan(found)]
            self._sum += float(known.sum())
            self._lists += len(known)
        self._waiting = {}
        self._n_waiting = 0
