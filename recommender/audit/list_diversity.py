"""Mean intra-list diversity of lists that come one at a time (`metrics.intra_list_diversity`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from recommender.arrays import Bools
from recommender.metrics import intra_list_diversity

_WAITING_MAX = 8_192


class GenreTable:
    """Genres by film id as `masks`: bool of shape (n_genres, n_items), genres by alphabet."""

    def __init__(self, genres: Mapping[str, Iterable[str]]) -> None:
        self._place: dict[str | int, int] = {item_id: n for n, item_id in enumerate(genres)}
        # The same ids where they are written as numbers.
        self._place.update((int(item_id), n) for item_id, n in tuple(self._place.items())
                           if isinstance(item_id, str) and item_id.isdecimal()
                           and str(int(item_id)) == item_id)
        self.masks = _masks(genres.values())

    def rows(self, item_ids: Iterable[str | int]) -> list[int]:
        """The column of each film in `masks`, -1 for one that is not known."""
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
            found = intra_list_diversity(np.array(rows, np.int64), self._table.masks)
            known = found[~np.isnan(found)]
            self._sum += float(known.sum())
            self._lists += len(known)
        self._waiting = {}
        self._n_waiting = 0


def _masks(genres_of: Iterable[Iterable[str]]) -> Bools:
    films = [frozenset(genres) for genres in genres_of]
    place = {genre: n for n, genre in enumerate(sorted(frozenset().union(*films)))}
    masks = np.zeros((len(place), len(films)), np.bool_)
    for film, genres in enumerate(films):
        masks[[place[genre] for genre in genres], film] = True
    return masks
