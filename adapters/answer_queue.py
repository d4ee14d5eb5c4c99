"""Answers of the response log that are still to be published (`ports.AnswerQueue`)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, bindparam, delete, func, select

from adapters.bulk_insert import ColumnQuery, fetch_columns
from adapters.database import reading, writing
from adapters.response_log import ANSWERS, answered
from adapters.tables import responses, unpublished_answers
from recommender.types import AnsweredRecord

_PER_STATEMENT = 500
_Q = unpublished_answers.c
_WAITING = ColumnQuery(select(_Q.request_id).order_by(_Q.request_id).limit(bindparam("most")))
_ANSWERS_OF = ColumnQuery(
    ANSWERS.where(responses.c.request_id.in_(bindparam("ids", expanding=True))))


class SqlAnswerQueue:
    """The writer of the response log adds to it in the transaction of the answers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def oldest(self, limit: int) -> list[AnsweredRecord]:
        """As `ports.AnswerQueue.oldest`."""
        with reading(self._engine) as connection:
            (waiting,) = _WAITING.fetch(connection, most=limit)
            rows = zip(*_ANSWERS_OF.fetch(connection, ids=waiting), strict=True) if waiting else ()
            found = sorted((answered(row) for row in rows), key=lambda record: record.request_id)
        gone = set(waiting) - {record.request_id for record in found}
        if gone:
            # Their texts were removed meanwhile: nothing is left to publish.
            self.done(sorted(gone))
        return found

    def done(self, request_ids: Sequence[str]) -> None:
        """As `ports.AnswerQueue.done`."""
        for start in range(0, len(request_ids), _PER_STATEMENT):
            some = list(request_ids[start : start + _PER_STATEMENT])
            with writing(self._engine) as connection:
                connection.execute(delete(unpublished_answers).where(_Q.request_id.in_(some)))

    def backlog(self) -> int:
        """As `ports.AnswerQueue.backlog`."""
        with reading(self._engine) as connection:
            ((count,),) = fetch_columns(
                connection, select(func.count()).select_from(unpublished_answers))
        return int(count)
