"""How far the numbers of the store had come at a time: what was stored before it, whatever the
clocks of those who sent it said."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine, delete, func, insert, select

from adapters.database import reading, writing
from adapters.tables import applied_events, dead_letters, store_marks


class Mark(NamedTuple):
    """Numbers up to which applied events and dead letters were stored at `at_ms` (UTC)."""

    at_ms: int
    events: int
    letters: int


NO_MARK = Mark(0, 0, 0)


class StoreMarks:
    """A row for each time that was marked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, at_ms: int, keep_from_ms: int) -> None:
        """Mark this moment; of the marks before `keep_from_ms` only the newest is kept."""
        newest = [
            select(func.coalesce(func.max(table.c.sequence), 0)).scalar_subquery()
            for table in (applied_events, dead_letters)
        ]
        with writing(self._engine) as connection:
            connection.execute(delete(store_marks).where(store_marks.c.at_ms >= at_ms))
            connection.execute(insert(store_marks).values(
                at_ms=at_ms, events_sequence=newest[0], letters_sequence=newest[1]))
            last = connection.execute(select(func.max(store_marks.c.at_ms)).where(
                store_marks.c.at_ms < keep_from_ms)).scalar()
            if last is not None:
                connection.execute(delete(store_marks).where(store_marks.c.at_ms < last))

    def before(self, at_ms: int) -> Mark:
        """The newest mark that is not after `at_ms`; zeros without one."""
        query = (
            select(store_marks.c.at_ms, store_marks.c.events_sequence,
                   store_marks.c.letters_sequence)
            .where(store_marks.c.at_ms <= at_ms).order_by(store_marks.c.at_ms.desc()).limit(1)
        )
        with reading(self._engine) as connection:
            found = connection.execute(query).first()
        return NO_MARK if found is None else Mark(*found)
