"""Looking through applied events and dead letters (`ports.EventReview`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Engine, LargeBinary, func, or_, select, update

from adapters.bulk_insert import fetch_columns
from adapters.database import reading, writing
from adapters.tables import applied_events, dead_letters
from recommender.event_codec import event_of
from recommender.ports.review import REACH
from recommender.review import (
    PREVIEW_BYTES,
    AppliedEvent,
    EventFilter,
    LetterFilter,
    LetterState,
    Page,
    StoredLetter,
)
from recommender.schemas import Columns
from recommender.types import DeadLetter

_NUMBERS_PER_QUERY = 500
_E, _D = applied_events.c, dead_letters.c
_SIZE = func.length(_D.value)


def _letter_columns(value: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
    return (
        _D.sequence, _D.cluster_id, _D.topic, _D.partition, _D.offset, _D.key,
        value.label("value"), _D.reason, _D.timestamp_ms, _SIZE.label("size"),
        _D.requeued_at_ms, _D.requeued_by,
    )  # fmt: skip


_WHOLE = select(*_letter_columns(_D.value))
_BEGINNING = select(
    *_letter_columns(func.substr(_D.value, 1, PREVIEW_BYTES, type_=LargeBinary()))
)


class SqlEventReview:
    """Reads beside the store's writer; marks in transactions of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def events(
        self, wanted: EventFilter, before: int | None = None, limit: int = 50, reach: int = REACH
    ) -> Page[AppliedEvent]:
        """As `ports.EventReview.events`: walks the primary key down, which needs no index more."""
        with reading(self._engine) as connection:
            if before is None:
                newest = connection.execute(select(func.max(_E.sequence))).scalar() or 0
                before = newest + 1
            lowest = max(before - reach, 1)
            query = (
                select(_E.sequence, *(_E[name] for name in Columns.EVENT))
                .where(_E.sequence >= lowest, _E.sequence < before, *_event_conditions(wanted))
                .order_by(_E.sequence.desc())
                .limit(limit + 1)
            )
            columns = fetch_columns(connection, query)
        rows = sorted(zip(*columns, strict=True), key=lambda row: row[0], reverse=True)
        entries = tuple(AppliedEvent(row[0], event_of(row[1:])) for row in rows[:limit])
        if len(rows) > limit:
            return Page(entries, entries[-1].sequence)
        return Page(entries, lowest if lowest > 1 else None)

    def letters(
        self, wanted: LetterFilter, before: int | None = None, limit: int = 50
    ) -> Page[StoredLetter]:
        """As `ports.EventReview.letters`."""
        query = _BEGINNING.where(*_letter_conditions(wanted)).order_by(_D.sequence.desc())
        if before is not None:
            query = query.where(_D.sequence < before)
        with reading(self._engine) as connection:
            found = _letters(fetch_columns(connection, query.limit(limit + 1)))
        entries = tuple(found[:limit])
        return Page(entries, entries[-1].sequence if len(found) > limit else None)

    def letters_numbered(self, sequences: Sequence[int]) -> list[StoredLetter]:
        """As `ports.EventReview.letters_numbered`."""
        found = []
        with reading(self._engine) as connection:
            for start in range(0, len(sequences), _NUMBERS_PER_QUERY):
                some = sequences[start : start + _NUMBERS_PER_QUERY]
                columns = fetch_columns(connection, _WHOLE.where(_D.sequence.in_(some)))
                found += _letters(columns)
        return sorted(found, key=lambda stored: stored.sequence, reverse=True)

    def count_letters(self, wanted: LetterFilter) -> int:
        """As `ports.EventReview.count_letters`."""
        query = select(func.count()).select_from(dead_letters).where(*_letter_conditions(wanted))
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one()

    def mark_requeued(self, sequences: Sequence[int], at_ms: int, actor: str) -> int:
        """As `ports.EventReview.mark_requeued`."""
        marked = 0
        with writing(self._engine) as connection:
            for start in range(0, len(sequences), _NUMBERS_PER_QUERY):
                some = sequences[start : start + _NUMBERS_PER_QUERY]
                marked += connection.execute(
                    update(dead_letters)
                    .where(_D.sequence.in_(some))
                    .values(requeued_at_ms=at_ms, requeued_by=actor)
                ).rowcount
        return marked


def _event_conditions(wanted: EventFilter) -> list[ColumnElement[bool]]:
    chosen = (
        (_E.user_id, wanted.user_id), (_E.item_id, wanted.item_id),
        (_E.type, wanted.type and wanted.type.value),
    )  # fmt: skip
    return [column == value for column, value in chosen if value is not None]


def _letter_conditions(wanted: LetterFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.state is LetterState.OPEN:
        conditions.append(_D.requeued_at_ms.is_(None))
    elif wanted.state is LetterState.REQUEUED:
        conditions.append(_D.requeued_at_ms.is_not(None))
    if wanted.text:
        places = (_D.reason, _D.topic, _D.key)
        conditions.append(or_(*(c.icontains(wanted.text, autoescape=True) for c in places)))
    return conditions


def _letters(columns: Sequence[Sequence[Any]]) -> list[StoredLetter]:
    rows = sorted(zip(*columns, strict=True), key=lambda row: row[0], reverse=True)
    return [StoredLetter(row[0], DeadLetter(*row[1:9]), *row[9:]) for row in rows]
