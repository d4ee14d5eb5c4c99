"""Taking a person out of the store."""

from __future__ import annotations

import secrets

from sqlalchemy import (
    Connection,
    Engine,
    LargeBinary,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from adapters.bulk_insert import bulk_insert, fetch_columns
from adapters.database import reading, writing
from adapters.erased_people import SALT
from adapters.postgresql_engine import Turn, wait_for_turn
from adapters.store_properties import set_property, stored_property
from adapters.tables import (
    api_keys,
    applied_events,
    audit_log,
    dead_letters,
    erasures,
    interactions,
    people,
    searches,
    tombstones,
)
from recommender.erasure import ErasedPeople, reference_of, speaks_of, user_digest, without_id

_ERASED_NAME = "erased"


class StoreErasure:
    """`ports.StoreErasure` on SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, user_id: str, at_ms: int) -> str:
        """As `ports.StoreErasure.begin`."""
        with writing(self._engine) as connection:
            wait_for_turn(connection, Turn.APPLYING)
            digest = user_digest(_salt(connection), user_id)
            received = select(func.max(applied_events.c.received_at_ms)).where(
                applied_events.c.user_id == user_id)
            # Clocks differ: nothing that is here already may count as newer.
            until = max(at_ms, connection.execute(received).scalar() or 0)
            bulk_insert(
                connection, erasures, ("user_digest", "until_ms", "at_ms", "finished_at_ms"),
                [(digest, until, at_ms, None)],
                "ON CONFLICT (user_digest) DO UPDATE SET until_ms = excluded.until_ms, "
                "at_ms = excluded.at_ms, finished_at_ms = NULL",
            )  # fmt: skip
        return digest

    def finish(self, digest: str, at_ms: int) -> None:
        """As `ports.StoreErasure.finish`."""
        with writing(self._engine) as connection:
            connection.execute(update(erasures).where(erasures.c.user_digest == digest)
                               .values(finished_at_ms=at_ms))

    def known(self) -> ErasedPeople | None:
        """Everybody who was taken out; None when nobody was."""
        query = select(erasures.c.user_digest, erasures.c.until_ms)
        with reading(self._engine, consistent=True) as connection:
            salt = stored_property(connection, SALT)
            rows = {row.user_digest: row.until_ms for row in connection.execute(query)}
        return None if salt is None else ErasedPeople(salt=salt, until_ms=rows)

    def adopt(self, people: ErasedPeople, at_ms: int) -> None:
        """Keep the events of these people away as well: the store is one that was made anew.

        Raises:
            ValueError: the store has taken out people under another salt.
        """
        with writing(self._engine) as connection:
            wait_for_turn(connection, Turn.APPLYING)
            own = stored_property(connection, SALT)
            if own not in (None, people.salt):
                raise ValueError("the store has erasures of its own, under another salt")
            set_property(connection, SALT, people.salt)
            bulk_insert(
                connection, erasures, ("user_digest", "until_ms", "at_ms", "finished_at_ms"),
                [(digest, until, at_ms, at_ms) for digest, until in people.until_ms.items()],
                "ON CONFLICT (user_digest) DO UPDATE SET until_ms = excluded.until_ms "
                "WHERE excluded.until_ms > erasures.until_ms",
            )  # fmt: skip

    def unfinished(self) -> list[str]:
        """As `ports.StoreErasure.unfinished`."""
        query = select(erasures.c.user_digest).where(erasures.c.finished_at_ms.is_(None))
        with reading(self._engine) as connection:
            return sorted(map(reference_of, connection.execute(query).scalars()))

    def erase(self, user_id: str, at_ms: int) -> dict[str, int]:
        """As `ports.StoreErasure.erase`."""
        removed = {}
        with writing(self._engine) as connection:
            wait_for_turn(connection, Turn.APPLYING)
            for name, table in (
                ("events", applied_events), ("interactions", interactions), ("undos", tombstones),
                ("searches", searches), ("people", people),
            ):  # fmt: skip
                done = connection.execute(delete(table).where(table.c.user_id == user_id))
                removed[name] = done.rowcount
            removed["dead_letters"] = _erase_letters(connection, user_id)
            removed["api_keys"] = _end_keys(connection, user_id, at_ms)
            reference = reference_of(user_digest(_salt(connection), user_id))
            removed["audit_entries"] = _redact(connection, user_id, reference)
        return removed


def _salt(connection: Connection) -> bytes:
    known = stored_property(connection, SALT)
    if known is None:
        known = secrets.token_hex(32)
        set_property(connection, SALT, known)
    return bytes.fromhex(known)


def _erase_letters(connection: Connection, user_id: str) -> int:
    d = dead_letters.c
    raw = literal(user_id.encode(), LargeBinary())
    if connection.dialect.name == "sqlite":
        holds = func.instr(d.value, raw) > 0
    else:
        holds = func.position(raw.op("IN")(d.value)) > 0
    query = select(d.sequence, d.key, d.value).where(or_(d.key == user_id, holds))
    rows = list(zip(*fetch_columns(connection, query), strict=True))
    theirs = [sequence for sequence, key, value in rows if speaks_of(user_id, key, value)]
    for start in range(0, len(theirs), 500):
        connection.execute(
            delete(dead_letters).where(d.sequence.in_(theirs[start : start + 500])))
    return len(theirs)


def _end_keys(connection: Connection, user_id: str, at_ms: int) -> int:
    """Ended in the same statement: a live key without a user would be one for everybody."""
    c = api_keys.c
    return connection.execute(
        update(api_keys).where(c.user_id == user_id).values(
            revoked_at_ms=func.coalesce(c.revoked_at_ms, at_ms), user_id=None, name=_ERASED_NAME)
    ).rowcount


def _redact(connection: Connection, user_id: str, reference: str) -> int:
    c = audit_log.c
    query = select(c.sequence, c.target, c.detail).where(
        or_(*(column.contains(user_id, autoescape=True) for column in (c.target, c.detail))))
    changed = 0
    for sequence, target, detail in zip(*fetch_columns(connection, query), strict=True):
        new = {"target": without_id(target, user_id, reference),
               "detail": without_id(detail, user_id, reference)}
        if new != {"target": target, "detail": detail}:
            connection.execute(update(audit_log).where(c.sequence == sequence).values(**new))
            changed += 1
    return changed
