"""Whose events don't come back: looked up in the transaction that would apply them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from adapters.bulk_insert import ColumnQuery
from adapters.store_properties import stored_property
from adapters.tables import erasures
from recommender.erasure import comes_back, user_digest, users_named
from recommender.schemas import Columns
from recommender.types import DeadLetter

SALT = "erasure_salt"
_IDS_PER_QUERY = 512
_USER, _TIME, _RECEIVED = (
    Columns.EVENT.index(name) for name in (Columns.USER, Columns.TIMESTAMP, Columns.RECEIVED))
_ANY = select(erasures.c.user_digest).limit(1)
_UNTIL = ColumnQuery(
    select(erasures.c.user_digest, erasures.c.until_ms)
    .where(erasures.c.user_digest.in_(bindparam("digests", expanding=True)))
)


def erased_until(connection: Connection, users: Collection[str]) -> dict[str, int]:
    """Those of the users who were taken out, and up to which UTC ms their events stay away."""
    if not users or connection.execute(_ANY).first() is None:
        return {}
    salt = bytes.fromhex(stored_property(connection, SALT) or "")
    user_of = {user_digest(salt, user): user for user in users}
    digests, found = sorted(user_of), dict[str, int]()
    for start in range(0, len(digests), _IDS_PER_QUERY):
        columns = _UNTIL.fetch(connection, digests=digests[start : start + _IDS_PER_QUERY])
        found |= {user_of[digest]: until for digest, until in zip(*columns, strict=True)}
    return found


def standing_rows(connection: Connection, rows: Sequence[Sequence[Any]]) -> Sequence[int]:
    """Places of the rows of events that may be applied."""
    erased = erased_until(connection, {row[_USER] for row in rows})
    if not erased:
        return range(len(rows))
    return [
        at for at, row in enumerate(rows)
        if row[_USER] not in erased
        or not comes_back(erased[row[_USER]], row[_TIME], row[_RECEIVED])
    ]  # fmt: skip


def standing_letters(connection: Connection, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """The dead letters that may be kept."""
    users = [users_named(letter.key, letter.value) for letter in letters]
    erased = erased_until(connection, set().union(*users))
    return [
        letter for letter, named in zip(letters, users, strict=True)
        if not any(letter.timestamp_ms <= erased[user] for user in named & erased.keys())
    ]  # fmt: skip
