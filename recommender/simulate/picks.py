"""Which film a person watches next.

At times it is a successor of the last one (the next part of a series, or what people tend to
watch next), else one from a liked cluster, by popularity. Nobody picks a film twice or before it
is in the catalogue.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.simulate.catalogue import CLUSTERS, Catalogue
from recommender.simulate.people import Crowd

_FOLLOW_SHARE = 0.4
_SUCCESSOR_SHARES = (0.6, 0.25, 0.15)
_TRIES = 8
_NOTHING = -1


def choose_films(
    catalogue: Catalogue,
    crowd: Crowd,
    per_user: NDArray[np.int64],
    times: NDArray[np.int64],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Row of the film of each pick, of shape (n_picks,), picks of a person next to each other.

    `per_user` (n_users,) counts the picks of each person, `times` (n_picks,) are UTC ms.
    """
    n_users, n_movies = len(per_user), len(catalogue.movies)
    first = np.cumsum(per_user) - per_user
    clusters = _ClusterDraw(catalogue)
    likes = np.cumsum(crowd.tastes, axis=1)
    free = np.ones((n_users, n_movies), dtype=bool)
    last = np.full(n_users, _NOTHING)
    items = np.empty(len(times), dtype=np.int64)
    # One step in time for all people at once.
    for step in range(int(per_user.max(initial=0))):
        users = np.flatnonzero(per_user > step)
        at = first[users] + step
        wanted = random.random((len(users), _TRIES)) * likes[users, -1:]
        cluster = (wanted[:, :, None] > likes[users][:, None, :]).sum(axis=2)
        tries = clusters.draw(cluster, random)
        follows = (random.random(len(users)) < _FOLLOW_SHARE) & (last[users] != _NOTHING)
        which = random.choice(3, size=len(users), p=_SUCCESSOR_SHARES)
        tries[follows, 0] = catalogue.successors[last[users[follows]], which[follows]]

        good = free[users[:, None], tries] & (catalogue.added_at_ms[tries] <= times[at][:, None])
        chosen = tries[np.arange(len(users)), good.argmax(axis=1)]
        for row in np.flatnonzero(~good.any(axis=1)):
            open_to_all = free[users[row]] & (catalogue.added_at_ms <= times[at[row]])
            weights = catalogue.popularity * open_to_all
            chosen[row] = random.choice(n_movies, p=weights / weights.sum())
        free[users, chosen] = False
        last[users] = chosen
        items[at] = chosen
    return items


class _ClusterDraw:
    """Draws films of given clusters by popularity, many at a time."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._rows = np.argsort(catalogue.clusters, kind="stable")
        weights = catalogue.popularity[self._rows]
        self._upto = np.cumsum(weights)
        size = np.bincount(catalogue.clusters, minlength=len(CLUSTERS))
        end = np.cumsum(size)
        edges = np.concatenate([[0.0], self._upto])
        self._low, self._high = edges[end - size], edges[end]
        self._whole = float(self._upto[-1])

    def draw(
        self, clusters: NDArray[np.int64], random: np.random.Generator
    ) -> NDArray[np.int64]:
        """Film rows of the shape of `clusters`; an empty cluster draws from the whole catalogue."""
        low, high = self._low[clusters], self._high[clusters]
        empty = high <= low
        low, high = np.where(empty, 0.0, low), np.where(empty, self._whole, high)
        at = low + (high - low) * random.random(clusters.shape)
        place = np.searchsorted(self._upto, at, side="right")
        return np.asarray(self._rows[np.minimum(place, len(self._rows) - 1)])
