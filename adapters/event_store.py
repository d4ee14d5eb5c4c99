"""The event store: applied events, the state that follows from them, offsets, dead letters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import pandas as pd
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    bindparam,
    func,
    select,
    tuple_,
    union,
)

from adapters.applied_rows import NOTHING_INSERTED, insert_once, last_sequence, rows_of
from adapters.bulk_insert import ColumnQuery, bulk_insert, fetch_columns
from adapters.database import reading, writing
from adapters.erased_people import standing_letters, standing_rows
from adapters.postgresql_engine import Turn, wait_for_turn
from adapters.storable_text import storable
from adapters.store_properties import BROWSE_TRIMMED_UNTIL, TRIMMED_UNTIL, stored_property
from adapters.tables import (
    applied_events,
    consumer_offsets,
    dead_letters,
    erasures,
    interactions,
    movies,
    searches,
    tombstones,
)
from adapters.user_history import read_history, read_history_version
from recommender.ports.events import SetAside
from recommender.record_batch import KNOWN_WITH_OTHER_CONTENT
from recommender.schemas import Columns, event_frame
from recommender.types import (
    Applied,
    DeadLetter,
    History,
    TopicPartition,
    Trimmed,
)

_LETTER_COLUMNS = (
    "cluster_id", "topic", "partition", "offset", "key", "value", "reason", "timestamp_ms",
)  # fmt: skip
_HASHED_ROWS = 50_000
_KEY_MAX = 256
_USERS_BETWEEN = ColumnQuery(
    select(applied_events.c.user_id)
    .where(
        applied_events.c.sequence > bindparam("after"),
        applied_events.c.sequence <= bindparam("until"),
    )
    .limit(bindparam("most"))
)
_EVENTS_AFTER = ColumnQuery(
    select(applied_events.c.sequence, *(applied_events.c[name] for name in Columns.EVENT))
    .where(applied_events.c.sequence > bindparam("after"))
    .order_by(applied_events.c.sequence)
    .limit(bindparam("most"))
)
_LAST_ERASURE = select(func.max(erasures.c.finished_at_ms))
_LETTERS = ColumnQuery(
    select(dead_letters.c.sequence, *(dead_letters.c[name] for name in _LETTER_COLUMNS))
    .order_by(dead_letters.c.sequence.desc())
    .limit(bindparam("most"))
)


class SqlEventStore:
    """`ports.EventStore` on SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def apply(
        self,
        frame: pd.DataFrame,
        offsets: Mapping[TopicPartition, int] | None = None,
        dead_letters: Sequence[DeadLetter] = (),
        group: str = "ingest",
        set_aside: SetAside | None = None,
    ) -> Applied:
        """As `ports.EventStore.apply`.

        Raises:
            StoreUnavailable: nothing was written.
        """
        rows = rows_of(frame)
        with writing(self._engine) as connection:
            # Before looking who was taken out: that happens in the same turn.
            if rows:
                wait_for_turn(connection, Turn.APPLYING)
            places = standing_rows(connection, rows)
            kept = rows if len(places) == len(rows) else [rows[at] for at in places]
            done = insert_once(connection, kept) if kept else NOTHING_INSERTED
            _store_offsets(connection, group, offsets or {})
            refused = [] if set_aside is None else [
                set_aside(places[row], KNOWN_WITH_OTHER_CONTENT) for row in done.conflicts]
            standing = standing_letters(connection, dead_letters)
            letters = tuple(sorted([*standing, *refused], key=_place))
            _store_dead_letters(connection, letters)
        conflicts = len(done.conflicts)
        return Applied(done.inserted, len(kept) - done.inserted - conflicts, conflicts, letters,
                       done.after, done.until, len(rows) - len(kept))

    def offsets(self, group: str = "ingest") -> dict[TopicPartition, int]:
        """As `ports.EventStore.offsets`."""
        c = consumer_offsets.c
        query = select(c.topic, c.partition, c.next_offset).where(c.consumer_group == group)
        with reading(self._engine) as connection:
            return {
                TopicPartition(row.topic, row.partition): row.next_offset
                for row in connection.execute(query)
            }

    def history(self, user_id: str) -> History:
        """As `ports.EventStore.history`."""
        with reading(self._engine) as connection:
            return read_history(connection, user_id)

    def history_version(self, user_id: str) -> int:
        """As `ports.EventStore.history_version`."""
        with reading(self._engine) as connection:
            return read_history_version(connection, user_id)

    def users_between(self, after: int, until: int, limit: int) -> set[str] | None:
        """As `ports.EventStore.users_between`."""
        values = {"after": after, "until": until, "most": limit + 1}
        with reading(self._engine) as connection:
            (users,) = _USERS_BETWEEN.fetch(connection, **values)
        return set(users) if len(users) <= limit else None

    def event_chunks(self, after_sequence: int, rows: int) -> Iterator[pd.DataFrame]:
        """As `ports.EventStore.event_chunks`; one query a frame, no transaction stays open."""
        while True:
            with reading(self._engine) as connection:
                sequences, *columns = _EVENTS_AFTER.fetch(
                    connection, after=after_sequence, most=rows
                )
            if not sequences:
                return
            frame = event_frame(columns)
            frame.insert(0, Columns.SEQUENCE, pd.Series(sequences, dtype="int64"))
            if not frame[Columns.SEQUENCE].is_monotonic_increasing:
                frame = frame.sort_values(Columns.SEQUENCE, ignore_index=True)
            after_sequence = int(frame[Columns.SEQUENCE].iloc[-1])
            yield frame

    def last_sequence(self) -> int:
        """As `ports.EventStore.last_sequence`."""
        with reading(self._engine) as connection:
            return last_sequence(connection)

    def trimmed(self) -> Trimmed:
        """As `ports.EventStore.trimmed`."""
        with reading(self._engine) as connection:
            return Trimmed(*(int(stored_property(connection, name) or 0)
                             for name in (TRIMMED_UNTIL, BROWSE_TRIMMED_UNTIL)))

    def last_erasure(self) -> int:
        """As `ports.EventStore.last_erasure`."""
        with reading(self._engine) as connection:
            return connection.execute(_LAST_ERASURE).scalar() or 0

    def counts(self) -> dict[str, int]:
        """As `ports.EventStore.counts`."""
        users = union(select(interactions.c.user_id), select(searches.c.user_id)).subquery()
        with reading(self._engine, consistent=True) as connection:
            return {
                name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for name, table in (
                    ("events", applied_events),
                    ("users", users),
                    ("movies", movies),
                    ("dead_letters", dead_letters),
                )
            }

    def state_hash(self) -> str:
        """As `ports.EventStore.state_hash`: over interactions, tombstones and searches, not over
        arrival."""
        digest = hashlib.sha256()
        i, t, s = interactions.c, tombstones.c, searches.c
        with reading(self._engine, consistent=True) as connection:
            for keys, values in (
                ((i.user_id, i.item_id, i.type), (i.rating, i.timestamp_ms, i.event_id)),
                ((t.user_id, t.item_id), (t.timestamp_ms, t.event_id)),
                ((s.user_id, s.event_id), (s.query, s.timestamp_ms)),
            ):
                for row in _in_order(connection, keys, values):
                    digest.update(orjson.dumps(row))
                digest.update(b"\n")
        return digest.hexdigest()

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """As `ports.EventStore.dead_letters`."""
        with reading(self._engine) as connection:
            columns = _LETTERS.fetch(connection, most=limit)
        found = sorted(zip(*columns, strict=True), key=lambda row: row[0], reverse=True)
        return [DeadLetter(*row[1:]) for row in found]


def _place(letter: DeadLetter) -> tuple[str, str, int, int]:
    return letter.cluster_id, letter.topic, letter.partition, letter.offset


def _store_offsets(
    connection: Connection, group: str, offsets: Mapping[TopicPartition, int]
) -> None:
    bulk_insert(
        connection,
        consumer_offsets,
        ("consumer_group", "topic", "partition", "next_offset"),
        [(group, p.topic, p.partition, offset) for p, offset in offsets.items()],
        "ON CONFLICT (consumer_group, topic, partition) "
        "DO UPDATE SET next_offset = excluded.next_offset",
    )


def _store_dead_letters(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    bulk_insert(
        connection,
        dead_letters,
        _LETTER_COLUMNS,
        [
            (*_place(d), d.key and storable(d.key, _KEY_MAX), d.value, storable(d.reason),
             d.timestamp_ms)
            for d in letters
        ],
        'ON CONFLICT (cluster_id, topic, partition, "offset") DO NOTHING',
    )


def _in_order(
    connection: Connection, keys: Sequence[Column[str]], values: Sequence[Column[Any]]
) -> Iterator[tuple[Any, ...]]:
    """Rows of a table by its primary key in code point order, some at a time."""
    page: Any = select(*keys, *values).order_by(*keys).limit(_HASHED_ROWS)
    query = page
    while True:
        rows = sorted(zip(*fetch_columns(connection, query), strict=True))
        yield from rows
        if len(rows) < _HASHED_ROWS:
            return
        query = page.where(tuple_(*keys) > tuple_(*rows[-1][: len(keys)]))
