"""Taking a person out of the outbox and the embedded log."""

from __future__ import annotations

import uuid

from sqlalchemy import Engine, LargeBinary, and_, delete, func, insert, literal, or_, select

from adapters.bulk_insert import fetch_columns
from adapters.database import writing
from adapters.log_ends import note_ends
from adapters.tables import NO_PARTITION, outbox
from recommender.erasure import speaks_of
from recommender.topics import DEAD_LETTER_SUFFIX

_MARKS = "erased"
"""The topic of rows that only keep a number from being given twice; nobody reads it."""


class OutboxErasure:
    """`ports.ErasesUser` over the database of the log. Events not yet sent or applied go too."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def erase(self, user_id: str, at_ms: int) -> dict[str, int]:
        """As `ports.ErasesUser.erase`, in one transaction."""
        o = outbox.c
        raw = literal(user_id.encode(), LargeBinary())
        sqlite = self._engine.dialect.name == "sqlite"
        holds = (func.instr(o.value, raw) if sqlite else func.position(raw.op("IN")(o.value))) > 0
        letters = and_(o.topic.endswith(DEAD_LETTER_SUFFIX, autoescape=True), holds)
        query = select(o.sequence, o.topic, o.partition, o.offset, o.key, o.value).where(
            or_(o.key == user_id, letters))
        with writing(self._engine) as connection:
            rows = [
                row for row in zip(*fetch_columns(connection, query), strict=True)
                if row[4] == user_id or speaks_of(user_id, None, row[5])
            ]  # fmt: skip
            if not rows:
                return {"outbox": 0}
            note_ends(connection, (row[1:4] for row in rows if row[3] is not None))
            newest = connection.execute(select(func.max(o.sequence))).scalar()
            gone = [row[0] for row in rows]
            if newest in gone:
                # SQLite would give the number to the next event, behind the back of readers.
                connection.execute(insert(outbox).values(
                    event_id=f"{_MARKS}/{uuid.uuid4().hex}", topic=_MARKS, partition=NO_PARTITION,
                    value=b"", accepted_at_ms=at_ms, sent_at_ms=at_ms))
            for start in range(0, len(gone), 500):
                connection.execute(
                    delete(outbox).where(o.sequence.in_(gone[start : start + 500])))
        return {"outbox": len(rows)}
