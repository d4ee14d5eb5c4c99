"""All answers ever logged, for exports and audits."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine, select

from adapters.bulk_insert import fetch_columns
from adapters.database import reading
from adapters.tables import responses
from recommender.types import AnsweredRecord

_COLUMNS = (
    "request_id", "timestamp_ms", "user_id", "variant", "model_version", "history_version",
    "is_personalized", "status", "latency_us", "body",
)  # fmt: skip


def answered_records(engine: Engine, rows: int = 5_000) -> Iterator[AnsweredRecord]:
    """By request id, which is the order of time; one query a `rows`, no transaction stays open.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    after = ""
    while True:
        query = (
            select(*(responses.c[name] for name in _COLUMNS))
            .where(responses.c.request_id > after)
            .order_by(responses.c.request_id)
            .limit(rows)
        )
        with reading(engine) as connection:
            columns = fetch_columns(connection, query)
        records = [AnsweredRecord(*values) for values in zip(*columns, strict=True)]
        records.sort(key=lambda record: record.request_id)
        yield from records
        if len(records) < rows:
            return
        after = records[-1].request_id
