"""Answers read in windows, for experiments (`ports.AnswerWindow`)."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice, takewhile

import orjson
from sqlalchemy import Engine, bindparam, select

from adapters.bulk_insert import ColumnQuery, fetch_columns
from adapters.database import reading
from adapters.tables import answer_texts, responses
from recommender.ports.answer_window import GivenAnswer

_TEXTS_A_QUERY = 500
_ANSWERS = ColumnQuery(
    select(*(responses.c[name] for name in GivenAnswer._fields))
    .where(responses.c.request_id > bindparam("after"))
    .order_by(responses.c.request_id)
    .limit(bindparam("most"))
)


class SqlAnswerWindow:
    """Over the database of the response log."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answers(self, after: str, until_ms: int, limit: int) -> list[GivenAnswer]:
        """As `ports.AnswerWindow.answers`.

        Request ids begin with their time, so that theirs is the order of time.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with reading(self._engine) as connection:
            columns = _ANSWERS.fetch(connection, after=after, most=limit)
        found = sorted(map(GivenAnswer._make, zip(*columns, strict=True)))
        # Up to the first that is too young: a slow answer has an early id and a late time.
        return list(takewhile(lambda answer: answer.timestamp_ms < until_ms, found))

    def shown(self, digests: Collection[bytes]) -> dict[bytes, tuple[str, ...]]:
        """As `ports.AnswerWindow.shown`."""
        found: dict[bytes, tuple[str, ...]] = {}
        rest = iter(digests)
        while some := list(islice(rest, _TEXTS_A_QUERY)):
            query = select(answer_texts.c.digest, answer_texts.c.before).where(
                answer_texts.c.digest.in_(some))
            with reading(self._engine) as connection:
                texts = fetch_columns(connection, query)
            for digest, before in zip(*texts, strict=True):
                # The text is cut inside the provenance, right behind its first key.
                films = orjson.loads(before + b'"}}')["recommendations"]
                found[digest] = tuple(film["item_id"] for film in films)
        return found
