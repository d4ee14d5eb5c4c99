"""Interactions of any size, drawn at once: popularity skew, tastes, long and short histories."""

from __future__ import annotations

import numpy as np

from recommender.arrays import Int64s
from recommender.interactions import Interactions

USER_EVENTS = 160
"""Mean length of a history, about that of ML-1M."""
FILMS = 10_000
TASTES = 20
OF_TASTE = 0.7
"""Share of a history drawn from the films of the user's taste."""
DRAWN_AGAIN = 1.33
"""Draws for each watch that is left when films drawn again are dropped."""
_MINUTE_MS = 60_000


def simulated(events: int, seed: int = 0) -> Interactions:
    """About `events` watches, a film at most once in a history."""
    rng = np.random.default_rng(seed)
    drawn = events * DRAWN_AGAIN
    n_users = max(events // USER_EVENTS, 1)
    lengths = np.clip(rng.lognormal(np.log(USER_EVENTS) - 0.5, 1.0, n_users), 5, FILMS // 5)
    lengths = np.maximum(lengths * (drawn / lengths.sum()), 1).astype(np.int64)
    users = np.repeat(np.arange(n_users, dtype=np.int64), lengths)
    # Zipf by an exponent below 1 has a closed inverse: place = n * u^(1 / (1 - a)).
    places = (FILMS * rng.random(len(users)) ** 2.5).astype(np.int64)
    tastes = rng.integers(0, TASTES, n_users)[users]
    of_taste = rng.random(len(users)) < OF_TASTE
    films = np.where(of_taste, places // TASTES * TASTES + tastes, places) % FILMS
    offsets, items = _first_of_each(users, films, n_users)
    times = np.arange(len(items), dtype=np.int64) * _MINUTE_MS
    return Interactions(
        tuple(f"u{user}" for user in range(n_users)), tuple(f"m{film}" for film in range(FILMS)),
        offsets, items.astype(np.int32), np.full(len(items), np.nan, np.float32), times, times)


def _first_of_each(users: Int64s, films: Int64s, n_users: int) -> tuple[Int64s, Int64s]:
    """Offsets and films of the histories, each film where it came first."""
    _, first = np.unique(users * FILMS + films, return_index=True)
    first.sort()
    counts = np.bincount(users[first], minlength=n_users)
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64), films[first]
