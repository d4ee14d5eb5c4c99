"""Events into the table of applied events, each id once, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
from sqlalchemy import Connection, bindparam, func, select

from adapters.bulk_insert import ColumnQuery, bulk_insert
from adapters.event_state import advance_state
from adapters.postgresql_engine import Turn, wait_for_turn
from adapters.tables import applied_events
from recommender.event_codec import same_row
from recommender.schemas import Columns

_IDS_PER_QUERY = 512
_IDS_AFTER = ColumnQuery(
    select(applied_events.c.event_id).where(applied_events.c.sequence > bindparam("after"))
)
_EVENTS_OF = ColumnQuery(
    select(*(applied_events.c[name] for name in Columns.EVENT)).where(
        applied_events.c.event_id.in_(bindparam("ids", expanding=True))
    )
)
_LAST = select(func.max(applied_events.c.sequence))


def rows_of(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The rows of a frame of events, values in the order of `Columns.EVENT`, None for missing."""
    return list(zip(*(_values(frame[name]) for name in Columns.EVENT), strict=True))


def _values(column: pd.Series[Any]) -> list[Any]:
    values = column.to_numpy(dtype=object)
    missing = column.isna().to_numpy(dtype=bool)
    if missing.any():
        values = values.copy()
        values[missing] = None
    return values.tolist()


class Inserted(NamedTuple):
    """How many rows were inserted, which ones have the id of another event, and the sequence
    numbers: those inserted lie above `after` up to `until`."""

    inserted: int
    conflicts: Sequence[int]
    after: int
    until: int


NOTHING_INSERTED = Inserted(0, (), 0, 0)


def insert_once(connection: Connection, rows: Sequence[Any]) -> Inserted:
    """Insert the rows whose id is new, and advance the state by them."""
    # Applying is serial: "sequence > before" then means exactly the rows inserted here, and
    # readers of `event_chunks` never see a number appear below one they have read.
    wait_for_turn(connection, Turn.APPLYING)
    before = last_sequence(connection)
    inserted = bulk_insert(
        connection, applied_events, Columns.EVENT, rows, "ON CONFLICT (event_id) DO NOTHING"
    )
    if inserted:
        advance_state(connection, before)
    conflicts = _conflicts(connection, rows, before) if inserted < len(rows) else ()
    return Inserted(
        inserted, conflicts, before, last_sequence(connection) if inserted else before
    )


def _conflicts(connection: Connection, rows: Sequence[Any], before: int) -> list[int]:
    fresh = set(_IDS_AFTER.fetch(connection, after=before)[0])
    known_before = []
    for at, row in enumerate(rows):
        # The first row of an id is the one that was inserted.
        if row[0] in fresh:
            fresh.discard(row[0])
        else:
            known_before.append(at)
    conflicts = []
    for start in range(0, len(known_before), _IDS_PER_QUERY):
        some = known_before[start : start + _IDS_PER_QUERY]
        columns = _EVENTS_OF.fetch(connection, ids=[rows[at][0] for at in some])
        stored = {known[0]: known for known in zip(*columns, strict=True)}
        conflicts += [at for at in some if not same_row(rows[at], stored[rows[at][0]])]
    return conflicts


def last_sequence(connection: Connection) -> int:
    """Sequence number of the newest applied event, 0 without one."""
    return connection.execute(_LAST).scalar() or 0
