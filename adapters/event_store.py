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
    Float,
    String,
    Text,
    bindparam,
    func,
    literal,
    select,
    tuple_,
    union,
    union_all,
)

from adapters.applied_rows import insert_once, last_sequence, rows_of
from adapters.bulk_insert import ColumnQuery, bulk_insert, fetch_columns
from adapters.database import reading, writing
from adapters.tables import (
    applied_events,
    consumer_offsets,
    dead_letters,
    interactions,
    movies,
    searches,
)
from recommender.ports.events import SetAside
from recommender.schemas import Columns, event_frame
from recommender.types import (
    Applied,
    DeadLetter,
    EventType,
    History,
    HistoryEntry,
    TopicPartition,
)

_TYPES = {t.value: t for t in EventType}
_LETTER_COLUMNS = ("cluster_id", "topic", "partition", "offset", "key", "value", "reason")
_HASHED_ROWS = 50_000
_KEY_MAX = 256
_CONFLICT = "event_id: known with other content"


def _history() -> ColumnQuery:
    i, s = interactions.c, searches.c
    entries = select(
        i.timestamp_ms, i.event_id, i.sequence, i.item_id, i.type, i.rating,
        literal(None, Text).label("query"),
    ).where(i.user_id == bindparam("user"))  # fmt: skip
    typed = select(
        s.timestamp_ms, s.event_id, s.sequence, literal(None, String), literal(None, String),
        literal(None, Float), s.query,
    ).where(s.user_id == bindparam("user"))  # fmt: skip
    return ColumnQuery(select(union_all(entries, typed).subquery()))


_HISTORY = _history()
_EVENTS_AFTER = ColumnQuery(
    select(applied_events.c.sequence, *(applied_events.c[name] for name in Columns.EVENT))
    .where(applied_events.c.sequence > bindparam("after"))
    .order_by(applied_events.c.sequence)
    .limit(bindparam("most"))
)
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
            applied, conflicts = insert_once(connection, rows) if rows else (0, [])
            _store_offsets(connection, group, offsets or {})
            refused = [set_aside(row, _CONFLICT) for row in conflicts] if set_aside else []
            letters = tuple(sorted([*dead_letters, *refused], key=_place))
            _store_dead_letters(connection, letters)
        duplicates = len(rows) - applied - len(conflicts)
        return Applied(applied, duplicates, len(conflicts), letters)

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
            # One statement: the version must be that of exactly these entries and searches.
            rows = list(zip(*_HISTORY.fetch(connection, user=user_id), strict=True))
        rows.sort(key=lambda row: row[:2])
        return History(
            user_id=user_id,
            version=max((row[2] for row in rows), default=0),
            entries=tuple(
                HistoryEntry(item_id, _TYPES[kind], rating, at_ms, event_id)
                for at_ms, event_id, _, item_id, kind, rating, _ in rows
                if item_id is not None
            ),
            searches=tuple(query for *_, item_id, _, _, query in rows if item_id is None),
        )

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
        """As `ports.EventStore.state_hash`: over interactions and searches, not over arrival."""
        digest = hashlib.sha256()
        i, s = interactions.c, searches.c
        with reading(self._engine, consistent=True) as connection:
            for keys, values in (
                ((i.user_id, i.item_id, i.type), (i.rating, i.timestamp_ms, i.event_id)),
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
            (*_place(d), d.key and _storable(d.key)[:_KEY_MAX], d.value, _storable(d.reason))
            for d in letters
        ],
        'ON CONFLICT (cluster_id, topic, partition, "offset") DO NOTHING',
    )


def _storable(text: str) -> str:
    """Without what a database refuses in text: a letter has to be kept whatever came."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="replace").decode()


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
