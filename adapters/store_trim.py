"""Takes old rows out of the store, in short transactions between those of ingest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import Connection, Engine, bindparam, delete, select, text

from adapters.bulk_insert import ColumnQuery
from adapters.database import reading, writing
from adapters.postgresql_engine import Turn, wait_for_turn
from adapters.store_marks import StoreMarks
from adapters.store_properties import (
    BROWSE_TRIMMED_UNTIL,
    TRIMMED_UNTIL,
    set_property,
    stored_property,
)
from adapters.tables import applied_events, dead_letters
from recommender.types import TopicPartition

PAGE_ROWS = 1_000
_E, _D = applied_events.c, dead_letters.c
_OLDEST = ColumnQuery(
    select(_E.sequence).where(_E.sequence <= bindparam("until")).order_by(_E.sequence)
    .limit(bindparam("most"))
)  # fmt: skip
_VIEWS = text("""
    DELETE FROM interactions WHERE type = 'view' AND (user_id, item_id, event_id) IN (
        SELECT user_id, item_id, event_id FROM applied_events
         WHERE sequence > :after AND sequence <= :until AND type = 'view')
""")
_SEARCHES = text("""
    DELETE FROM searches WHERE (user_id, event_id) IN (
        SELECT user_id, event_id FROM applied_events
         WHERE sequence > :after AND sequence <= :until AND type = 'search')
""")
_BROWSED = text("""
    DELETE FROM applied_events
     WHERE sequence > :after AND sequence <= :until AND type IN ('view', 'search')
""")
_LETTERS = ColumnQuery(
    select(_D.sequence, _D.cluster_id, _D.topic, _D.partition, _D.offset)
    .where(_D.sequence > bindparam("after"), _D.sequence <= bindparam("until"))
    .order_by(_D.sequence).limit(bindparam("most"))
)  # fmt: skip


class AppliedEventsTrim:
    """Removes applied events that a snapshot holds; the state that follows from them stays.

    Args:
        engine: the database of the store.
        snapshot_until: the number of the newest event that the newest snapshot holds, 0 without
            one. Its own row stays: by it a snapshot knows the store that it was taken of.
    """

    def __init__(self, engine: Engine, snapshot_until: Callable[[], int]) -> None:
        self._engine = engine
        self._marks = StoreMarks(engine)
        self._snapshot_until = snapshot_until

    def steps(self, before_ms: int) -> Iterator[int]:
        """As `OutboxTrim.steps`; how long an event is there is told by the marks."""
        until = self._marks.before(before_ms).events
        if not self._oldest(until):
            return  # the snapshot need not be read
        until = min(until, self._snapshot_until() - 1)
        while found := self._oldest(until):
            yield self._remove(max(found))

    def _oldest(self, until: int) -> list[int]:
        with reading(self._engine) as connection:
            (found,) = _OLDEST.fetch(connection, until=until, most=PAGE_ROWS)
        return found

    def _remove(self, until: int) -> int:
        with writing(self._engine) as connection:
            wait_for_turn(connection, Turn.APPLYING)
            removed = connection.execute(delete(applied_events).where(_E.sequence <= until))
            set_property(connection, TRIMMED_UNTIL, str(until))
            return removed.rowcount


class BrowseEventsTrim:
    """Removes views and searches, from the applied events and from the state.

    Args:
        engine: the database of the store.
        snapshot_until: as for `AppliedEventsTrim`; without a snapshot nothing holds it up.
    """

    def __init__(self, engine: Engine, snapshot_until: Callable[[], int]) -> None:
        self._engine = engine
        self._marks = StoreMarks(engine)
        self._snapshot_until = snapshot_until

    def steps(self, before_ms: int) -> Iterator[int]:
        """As `AppliedEventsTrim.steps`; goes on from where the last run came to."""
        last = self._marks.before(before_ms).events
        with reading(self._engine) as connection:
            after = int(stored_property(connection, BROWSE_TRIMMED_UNTIL) or 0)
        if after >= last:
            return
        known_by = self._snapshot_until()
        last = min(last, known_by - 1) if known_by else last
        while after < last:
            until = min(after + 5 * PAGE_ROWS, last)
            yield self._remove(after, until)
            after = until

    def _remove(self, after: int, until: int) -> int:
        between = {"after": after, "until": until}
        with writing(self._engine) as connection:
            wait_for_turn(connection, Turn.APPLYING)
            connection.execute(_VIEWS, between)
            connection.execute(_SEARCHES, between)
            removed = connection.execute(_BROWSED, between).rowcount
            set_property(connection, BROWSE_TRIMMED_UNTIL, str(until))
        return removed


class DeadLettersTrim:
    """Removes dead letters that were published on their dead-letter topics.

    Args:
        engine: the database of the store.
        published: how far the letters of a log, by its cluster id, were published.
    """

    def __init__(
        self, engine: Engine, published: Callable[[str], Mapping[TopicPartition, int]]
    ) -> None:
        self._engine = engine
        self._marks = StoreMarks(engine)
        self._published = published

    def steps(self, before_ms: int) -> Iterator[int]:
        """As `AppliedEventsTrim.steps`."""
        until, after = self._marks.before(before_ms).letters, 0
        noted: dict[str, Mapping[TopicPartition, int]] = {}
        while True:
            with reading(self._engine) as connection:
                columns = _LETTERS.fetch(connection, after=after, until=until, most=PAGE_ROWS)
            rows = sorted(zip(*columns, strict=True))
            if not rows:
                return
            after = rows[-1][0]
            done = []
            for sequence, log, topic, partition, offset in rows:
                if log not in noted:
                    noted[log] = self._published(log)
                if offset < noted[log].get(TopicPartition(topic, partition), 0):
                    done.append(sequence)
            if done:
                yield self._remove(done)

    def _remove(self, sequences: list[int]) -> int:
        with writing(self._engine) as connection:
            return _delete_letters(connection, sequences)


def _delete_letters(connection: Connection, sequences: list[int]) -> int:
    removed = 0
    for start in range(0, len(sequences), 500):
        some = sequences[start : start + 500]
        removed += connection.execute(delete(dead_letters).where(_D.sequence.in_(some))).rowcount
    return removed
