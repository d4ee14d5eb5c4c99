"""Takes old answers out of the response log, and the texts that nothing names any more."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine, bindparam, delete, select

from adapters.bulk_insert import ColumnQuery
from adapters.database import reading, writing
from adapters.response_log import TEXT_KNOWN_S
from adapters.tables import answer_texts, responses, unpublished_answers

PAGE_ROWS = 1_000
_TEXT_ROWS = 500
_R, _T = responses.c, answer_texts.c
_OLDEST = ColumnQuery(
    select(_R.request_id, _R.timestamp_ms).where(_R.request_id > bindparam("after"))
    .order_by(_R.request_id).limit(bindparam("most"))
)  # fmt: skip
_TEXTS = ColumnQuery(
    select(_T.sequence).where(_T.named_ms < bindparam("before")).limit(bindparam("most"))
)
_SLACK_S = 3600
"""For a clock that was set."""


class ResponsesTrim:
    """Removes answers by their time, oldest first; then texts.

    The writer remembers for `TEXT_KNOWN_S` that a text is on disk and renews its `named_ms` after
    that. A text that was not renewed for so long before the oldest answer is named by none.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def steps(self, before_ms: int) -> Iterator[int]:
        """One short transaction a step, each yields how many answers and texts went.

        Raises:
            StoreUnavailable: the database does not answer; what went before stays gone.
        """
        after = ""
        while True:
            with reading(self._engine) as connection:
                columns = _OLDEST.fetch(connection, after=after, most=PAGE_ROWS)
            rows = sorted(zip(*columns, strict=True))
            old = [request_id for request_id, at_ms in rows if at_ms < before_ms]
            if not old:
                break  # ids are in the order of time
            yield self._remove(old)
            after = rows[-1][0]
        unnamed_ms = before_ms - 1000 * (TEXT_KNOWN_S + _SLACK_S)
        while True:
            with reading(self._engine) as connection:
                (found,) = _TEXTS.fetch(connection, before=unnamed_ms, most=_TEXT_ROWS)
            if not found:
                return
            with writing(self._engine) as connection:
                yield connection.execute(
                    delete(answer_texts).where(_T.sequence.in_(found), _T.named_ms < unnamed_ms)
                ).rowcount

    def _remove(self, request_ids: list[str]) -> int:
        removed = 0
        with writing(self._engine) as connection:
            for start in range(0, len(request_ids), 500):
                some = request_ids[start : start + 500]
                removed += connection.execute(
                    delete(responses).where(_R.request_id.in_(some))).rowcount
                connection.execute(delete(unpublished_answers).where(
                    unpublished_answers.c.request_id.in_(some)))
        return removed
