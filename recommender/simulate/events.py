"""Watches and ratings of the simulated people, in the order of time.

A person watches in sessions, mostly in the evening, and rates some of the films after the end.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidField
from recommender.schemas import RATING_MAX, RATING_MIN, RATING_STEP, Columns
from recommender.simulate.catalogue import RUNTIME_MAX_MIN, Catalogue
from recommender.simulate.people import Crowd
from recommender.simulate.picks import choose_films

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_RATINGS_PER_WATCH = 0.6
_MEAN_RATING = 3.6
_SESSION_LENGTH = 1.8
_SHARE_OF_CATALOGUE_MAX = 0.4
# From one start to the next at least: the longest film, and some minutes to rate it.
_BETWEEN_STARTS_MS = (RUNTIME_MAX_MIN + 10) * _MINUTE_MS


def simulate_events(
    catalogue: Catalogue,
    crowd: Crowd,
    n_events: int,
    start_ms: int,
    end_ms: int,
    random: np.random.Generator,
    id_prefix: str,
) -> pd.DataFrame:
    """Exactly `n_events` rows of `Columns.EVENT`, all in [start_ms, end_ms), oldest first.

    Every pick is a watch; some are rated right after it.

    Raises:
        InvalidField: people and films are too few for so many events.
    """
    n_picks = int(np.ceil(n_events / (1 + _RATINGS_PER_WATCH)))
    per_user = _picks_per_user(crowd.activity, n_picks, len(catalogue.movies))
    users = np.repeat(np.arange(len(per_user)), per_user)
    times = _watch_times(users, per_user, crowd.joined, start_ms, end_ms, random)
    items = choose_films(catalogue, crowd, per_user, times, random)

    liking = _liking(catalogue, crowd, users, items)
    rated = np.sort(random.choice(n_picks, size=n_events - n_picks, replace=False))
    runtimes = catalogue.runtimes[items]
    # What disappoints is not watched to its end.
    seen_share = np.clip(random.normal(0.97, 0.05, n_picks) + np.minimum(liking + 1.0, 0) * 0.3,
                         0.08, 1.0)
    minutes = np.maximum((runtimes * seen_share).astype(np.int64), 1)
    noise = 0.55 * random.standard_normal(len(rated))
    ratings = np.round((_MEAN_RATING + liking[rated] + noise) / RATING_STEP) * RATING_STEP
    ratings = np.clip(ratings, RATING_MIN, RATING_MAX)
    delay = (minutes[rated] + 1) * _MINUTE_MS + random.integers(5 * _MINUTE_MS, size=len(rated))
    return _frame(
        user_ids=np.array([p.user_id for p in crowd.people], dtype=object),
        item_ids=np.array([m.item_id for m in catalogue.movies], dtype=object),
        users=np.concatenate([users, users[rated]]),
        items=np.concatenate([items, items[rated]]),
        times=np.concatenate([times, times[rated] + delay]),
        ratings=np.concatenate([np.full(n_picks, np.nan), ratings]),
        minutes=np.concatenate([minutes.astype(np.float64), np.full(len(rated), np.nan)]),
        id_prefix=id_prefix,
    )


def _picks_per_user(
    activity: NDArray[np.float64], n_picks: int, n_movies: int
) -> NDArray[np.int64]:
    """How many films each person picks; sums to `n_picks`, at least one each where possible."""
    most = max(1, int(n_movies * _SHARE_OF_CATALOGUE_MAX))
    if n_picks > most * len(activity):
        raise InvalidField(
            "n_events", f"too many for {len(activity)} people and {n_movies} films"
        )
    least = 1 if n_picks >= len(activity) else 0
    counts = np.clip(np.floor(activity * n_picks).astype(np.int64), least, most)
    busiest_first = np.argsort(-activity, kind="stable")
    while (missing := n_picks - int(counts.sum())) != 0:
        able = counts < most if missing > 0 else counts > least
        counts[busiest_first[able[busiest_first]][: abs(missing)]] += np.sign(missing)
    return counts


def _watch_times(
    users: NDArray[np.int64],
    per_user: NDArray[np.int64],
    joined: NDArray[np.float64],
    start_ms: int,
    end_ms: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Start of each watch (UTC ms), of shape (n_picks,), increasing within a user.

    Sessions start mostly in the evening; the films of a session follow each other. Nobody starts
    a film while the last one runs, as long as their films fit into the span.
    """
    n = len(users)
    span = end_ms - start_ms
    opens = random.random(n) < 1 / _SESSION_LENGTH
    first_of_user = np.cumsum(per_user) - per_user
    opens[first_of_user[per_user > 0]] = True
    session = np.cumsum(opens) - 1
    heads = np.flatnonzero(opens)

    at = joined[users[heads]] + (1 - joined[users[heads]]) * random.random(len(heads))
    days = (at * span / _DAY_MS).astype(np.int64)
    evening = np.clip(random.normal(19.5, 2.8, len(heads)), 0, 23.9)
    starts = start_ms + days * _DAY_MS + (evening * 3_600_000).astype(np.int64)
    starts += random.integers(_MINUTE_MS, size=len(heads))
    # Sessions of the last day are moved to an earlier one.
    latest = end_ms - min(_DAY_MS, span // 2)
    starts = np.where(starts > latest, start_ms + (starts - start_ms) % max(latest - start_ms, 1),
                      starts)
    place = np.arange(n) - heads[session]
    times = starts[session] + place * _BETWEEN_STARTS_MS
    times = times[np.lexsort((times, users))]
    # Nothing may happen after the end, the rating that follows a long film included.
    return _spaced(times, users, per_user, start_ms, end_ms - min(_DAY_MS // 4, span // 4))


def _spaced(
    times: NDArray[np.int64],
    users: NDArray[np.int64],
    per_user: NDArray[np.int64],
    start_ms: int,
    latest_ms: int,
) -> NDArray[np.int64]:
    """`times`, sorted within each user, moved so far that the next film starts after the last.

    All within [start_ms, latest_ms]; who picks too many for that has shorter gaps.
    """
    span = latest_ms - start_ms
    gaps = np.minimum(_BETWEEN_STARTS_MS, span // np.maximum(per_user - 1, 1))[users]
    first_of_user = np.cumsum(per_user) - per_user
    place = np.arange(len(users)) - first_of_user[users]
    # Without the gaps before it a time must only not lie before the one before.
    own = times - start_ms - place * gaps
    # Offsets keep the users apart, so that one running maximum serves all.
    apart = users * (2 * span + 2 * _DAY_MS)
    latest = span - (per_user[users] - 1) * gaps
    own = np.minimum(np.maximum.accumulate(own + apart) - apart, latest)
    return np.asarray(start_ms + own + place * gaps)


def _liking(
    catalogue: Catalogue,
    crowd: Crowd,
    users: NDArray[np.int64],
    items: NDArray[np.int64],
) -> NDArray[np.float64]:
    """How far above (or below) the mean rating a person sees a film, in rating points."""
    taste = crowd.tastes[users, catalogue.clusters[items]]
    # Half of the way to full liking is reached at a share of 0.2.
    match = taste / (taste + 0.2)
    return np.asarray(1.9 * (match - 0.5) + catalogue.quality[items] + crowd.leniency[users])


def _frame(
    *,
    user_ids: NDArray[np.object_],
    item_ids: NDArray[np.object_],
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    times: NDArray[np.int64],
    ratings: NDArray[np.float64],
    minutes: NDArray[np.float64],
    id_prefix: str,
) -> pd.DataFrame:
    order = np.lexsort((items, users, times))
    n = len(order)
    watched = np.isnan(ratings[order])
    frame = pd.DataFrame(
        {
            Columns.EVENT_ID: [f"{id_prefix}/{row:08d}" for row in range(1, n + 1)],
            Columns.SCHEMA_VERSION: np.ones(n, dtype=np.int64),
            Columns.TYPE: np.where(watched, "watch", "rate"),
            Columns.USER: user_ids[users[order]],
            Columns.ITEM: item_ids[items[order]],
            Columns.RATING: ratings[order],
            Columns.MINUTE: pd.array(minutes[order]).astype("Int64"),
            Columns.QUERY: None,
            Columns.TIMESTAMP: times[order],
            Columns.RECEIVED: times[order],
            Columns.SOURCE: "simulator",
        }
    )
    return frame[list(Columns.EVENT)]
