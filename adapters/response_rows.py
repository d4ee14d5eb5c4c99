"""All answers ever logged, for exports and audits."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine

from adapters.bulk_insert import fetch_columns
from adapters.database import reading
from adapters.response_log import ANSWERS, answered
from adapters.tables import responses
from recommender.types import AnsweredRecord


def answered_records(
    engine: Engine, rows: int = 5_000, after: str = ""
) -> Iterator[AnsweredRecord]:
    """Those above a request id, in the order of ids, which is that of time.

    One query a `rows`; no transaction stays open.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    while True:
        newer = ANSWERS.where(responses.c.request_id > after)
        query = newer.order_by(responses.c.request_id).limit(rows)
        with reading(engine) as connection:
            columns = fetch_columns(connection, query)
        records = [answered(values) for values in zip(*columns, strict=True)]
        records.sort(key=lambda record: record.request_id)
        yield from records
        if len(records) < rows:
            return
        after = records[-1].request_id
