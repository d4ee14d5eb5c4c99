"""How films were rated, counted once and kept until something happens to them.

Counting two dozen popular films reads some ten thousand rows; few of them change between two
searches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

from sqlalchemy import Connection, Engine, bindparam, func, select

from adapters.bulk_insert import ColumnQuery
from adapters.database import reading
from adapters.tables import applied_events, interactions
from recommender.types import EventType, RatingCounts

_RATINGS = ColumnQuery(
    select(
        interactions.c.item_id,
        interactions.c.type,
        interactions.c.rating,
        func.count().label("number"),
    )
    .where(
        interactions.c.item_id.in_(bindparam("items", expanding=True)),
        interactions.c.type.in_([EventType.RATE.value, EventType.WATCH.value]),
    )
    .group_by(interactions.c.item_id, interactions.c.type, interactions.c.rating)
)
_LAST = select(func.coalesce(func.max(applied_events.c.sequence), 0))
_TOUCHED = ColumnQuery(
    select(applied_events.c.item_id).where(
        applied_events.c.sequence > bindparam("after"),
        applied_events.c.sequence <= bindparam("until"),
    )
)
_EVENTS_READ_MAX = 2_000
KEPT_FILMS_MAX = 10_000


class KeptRatingCounts:
    """Counts by film; safe for many threads.

    An event about a film, applied by whatever process, has it counted again. What leaves the
    store without an event (erased people) is missing from the counts after `kept_s` at the latest.
    """

    def __init__(self, engine: Engine, kept_s: float = 60.0,
                 clock_s: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._kept_s = kept_s
        self._clock_s = clock_s
        self._lock = Lock()
        self._kept: dict[str, RatingCounts] = {}
        self._since_s = 0.0
        self._sequence = 0

    def of(self, item_ids: Sequence[str]) -> dict[str, RatingCounts]:
        """As `ports.Catalogue.rating_counts`."""
        with self._lock, reading(self._engine) as connection:
            self._drop_changed(connection)
            missing = [item_id for item_id in item_ids if item_id not in self._kept]
            if missing:
                if len(self._kept) + len(missing) > KEPT_FILMS_MAX:
                    self._kept = {}
                    missing = list(item_ids)
                self._kept |= _count(connection, missing)
            return {item_id: self._kept[item_id] for item_id in item_ids}

    def _drop_changed(self, connection: Connection) -> None:
        # Before the counts are read: what is applied in between is counted again next time.
        last: int = connection.execute(_LAST).scalar_one()
        now_s = self._clock_s()
        behind = last - self._sequence
        if not 0 <= behind <= _EVENTS_READ_MAX or now_s - self._since_s >= self._kept_s:
            self._kept, self._since_s = {}, now_s
        elif behind:
            (touched,) = _TOUCHED.fetch(connection, after=self._sequence, until=last)
            for item_id in set(touched):
                self._kept.pop(item_id, None)
        self._sequence = last


def _count(connection: Connection, item_ids: Iterable[str]) -> dict[str, RatingCounts]:
    by_rating: dict[str, dict[float, int]] = {item_id: {} for item_id in item_ids}
    watches: dict[str, int] = {}
    columns = _RATINGS.fetch(connection, items=list(by_rating))
    for item_id, kind, rating, number in zip(*columns, strict=True):
        if kind == EventType.WATCH:
            watches[item_id] = number
        else:
            by_rating[item_id][rating] = number
    return {i: RatingCounts(i, by_rating[i], watches.get(i, 0)) for i in by_rating}
