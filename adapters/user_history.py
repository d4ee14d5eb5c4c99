"""What the store knows of one user, read in one statement."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Float,
    Select,
    String,
    Text,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
)

from adapters.bulk_insert import ColumnQuery
from adapters.tables import interactions, searches, tombstones
from recommender.types import BROWSED_MAX, EventType, History, HistoryEntry

_TYPES = {t.value: t for t in EventType}
_OF_USERS = (interactions, searches, tombstones)
# With its type: in a query within a query PostgreSQL would take it as text.
_NO_RATING = cast(null(), Float)


def _history() -> ColumnQuery:
    """Entries, searches, and a row of neither for each table: its newest change of this user."""
    i, s = interactions.c, searches.c
    user: BindParameter[str] = bindparam("user")
    entries = select(
        i.timestamp_ms, i.event_id, i.sequence, i.item_id, i.type, i.rating,
        literal(None, Text).label("query"),
    ).where(i.user_id == user)  # fmt: skip
    views = entries.where(i.type == EventType.VIEW.value)
    typed = select(
        s.timestamp_ms, s.event_id, s.sequence, literal(None, String).label("item_id"),
        literal(None, String).label("type"), _NO_RATING.label("rating"), s.query,
    ).where(s.user_id == user)  # fmt: skip
    nothing = (
        literal(None, String), literal(None, String), _NO_RATING, literal(None, Text),
    )  # fmt: skip
    changes = (
        select(literal(0, BigInteger), literal("", String),
               func.coalesce(func.max(of.c.sequence), 0), *nothing).where(of.c.user_id == user)
        for of in _OF_USERS
    )
    return ColumnQuery(select(union_all(
        entries.where(i.type != EventType.VIEW.value),
        _newest(views, i.timestamp_ms, i.event_id), _newest(typed, s.timestamp_ms, s.event_id),
        *changes,
    ).subquery()))  # fmt: skip


def _newest(query: Select[Any], *place: ColumnElement[Any]) -> Select[Any]:
    """The newest rows of a kind of which a user can make any number."""
    newest = query.order_by(*(column.desc() for column in place)).limit(BROWSED_MAX)
    return select(newest.subquery())


_HISTORY = _history()
_HISTORY_VERSION: Select[Any] = select(func.max(literal_column("newest"))).select_from(
    union_all(
        *(
            select(func.max(of.c.sequence).label("newest")).where(of.c.user_id == bindparam("user"))
            for of in _OF_USERS
        )
    ).subquery()
)


def read_history(connection: Connection, user_id: str) -> History:
    """As `ports.EventStore.history`."""
    # One statement: the version must be that of exactly these entries and searches.
    rows = list(zip(*_HISTORY.fetch(connection, user=user_id), strict=True))
    rows.sort(key=lambda row: row[:2])
    return History(
        user_id=user_id,
        version=max(row[2] for row in rows),
        entries=tuple(
            HistoryEntry(item_id, _TYPES[kind], rating, at_ms, event_id)
            for at_ms, event_id, _, item_id, kind, rating, _ in rows
            if item_id is not None
        ),
        searches=tuple(query for *_, query in rows if query is not None),
    )


def read_history_version(connection: Connection, user_id: str) -> int:
    """As `ports.EventStore.history_version`."""
    return connection.execute(_HISTORY_VERSION, {"user": user_id}).scalar() or 0
