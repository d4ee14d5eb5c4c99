"""Taking a person out of the response log."""

from __future__ import annotations

from sqlalchemy import Engine, delete, select

from adapters.bulk_insert import fetch_columns
from adapters.database import reading, writing
from adapters.tables import answer_texts, responses, unpublished_answers

_AT_ONCE = 500


class ResponseErasure:
    """`ports.ErasesUser` over the answers and the texts that nobody else's answer names."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def erase(self, user_id: str, at_ms: int) -> dict[str, int]:
        """As `ports.ErasesUser.erase`; in short transactions."""
        r, t = responses.c, answer_texts.c
        query = select(r.request_id, r.text_digest).where(r.user_id == user_id)
        with reading(self._engine) as connection:
            ids, digests = fetch_columns(connection, query)
        for start in range(0, len(ids), _AT_ONCE):
            with writing(self._engine) as connection:
                for of in (responses, unpublished_answers):
                    connection.execute(delete(of).where(
                        of.c.request_id.in_(ids[start : start + _AT_ONCE])))
        named, texts = sorted(set(digests)), 0
        for start in range(0, len(named), _AT_ONCE):
            some = named[start : start + _AT_ONCE]
            with writing(self._engine) as connection:
                still = set(connection.execute(
                    select(r.text_digest).where(r.text_digest.in_(some)).distinct()).scalars())
                free = [digest for digest in some if digest not in still]
                texts += connection.execute(
                    delete(answer_texts).where(t.digest.in_(free))).rowcount
        return {"responses": len(ids), "answer_texts": texts}
