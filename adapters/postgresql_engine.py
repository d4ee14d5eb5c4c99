"""Engines on PostgreSQL (psycopg 3): what is set for each connection, and what is an outage."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL

from recommender.errors import StoreUnavailable

DRIVER = "postgresql+psycopg"
CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_MS = 10_000
"""As long as SQLite waits for its lock. Not for migrations: those wait for each other."""
POOL_TIMEOUT_S = 5
# A kept plan that was made while a table was empty reads all of it once it has grown: looking up
# 5,000 ids among 30,000 rows took 3.7 s, planned anew 17 ms.
_SESSION = f"-c lock_timeout={LOCK_TIMEOUT_MS} -c plan_cache_mode=force_custom_plan"
# A host that vanished is noticed within seconds, not after the quarter of an hour of TCP.
_NETWORK = {
    "connect_timeout": str(CONNECT_TIMEOUT_S), "keepalives_idle": "10", "keepalives_interval": "3",
    "keepalives_count": "3", "tcp_user_timeout": "10000", "application_name": "fairreel",
}  # fmt: skip
# Classes of SQLSTATE that say the server cannot do it now: connection, transaction rollback,
# resources (disk full), object state (lock timeout), intervention (shutdown), system, corruption.
_OUTAGES = ("08", "40", "53", "55", "57", "58", "F0", "XX")
# A standby or a server set read-only, and sessions ended for idling.
_FURTHER_OUTAGES = frozenset({"25006", "25P03", "25P04"})
_LOST_WITHOUT_CODE = ("OperationalError", "InterfaceError")
_log = structlog.get_logger()


def postgresql_engine(url: URL) -> Engine:
    """An engine of few connections, each tried before it is lent.

    What the query part of the URL says of timeouts is left as it is.

    Raises:
        ValueError: the URL asks for another driver than psycopg 3.
    """
    if url.drivername not in ("postgresql", DRIVER):
        raise ValueError(f"{url.drivername}: use {DRIVER}")
    url = url.set(drivername=DRIVER)
    given = {name: value for name, value in _NETWORK.items() if name not in url.query}
    options = url.query.get("options", "")
    said = options if isinstance(options, str) else " ".join(options)
    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=8,  # three databases, two replicas: within the usual 100 connections
        pool_timeout=POOL_TIMEOUT_S,
        pool_use_lifo=True,
        pool_pre_ping=True,
        use_native_hstore=False,
        connect_args={**given, "options": f"{_SESSION} {said}".strip()},
    )
    event.listen(engine, "connect", _commit_to_disk)
    return engine


def is_outage(error: Exception) -> bool:
    """Whether the server or the way to it failed, and not the statement."""
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:
        return any(kind.__name__ in _LOST_WITHOUT_CODE for kind in type(error).__mro__)
    return state.startswith(_OUTAGES) or state in _FURTHER_OUTAGES


def is_rival(error: BaseException | None) -> bool:
    """Whether the transaction lost against another one, so that trying again may succeed."""
    return getattr(error, "sqlstate", None) in ("40001", "40P01")


def warn_of_lost_commits(engine: Engine) -> None:
    """Say in the log when the server itself is set to forget commits in a power cut."""
    with engine.connect() as connection:
        fsync = connection.execute(text("SHOW fsync")).scalar()
    if fsync == "off":
        _log.warning("postgresql_without_fsync", database=engine.url.database,
                     reason="a power cut may lose accepted events or the whole database")


class Turn(IntEnum):
    """What only one transaction of a database does at a time."""

    MIGRATING = 0x66616972
    APPLYING = 0x6170706C
    """Changing the state of the store or the catalogue."""


def wait_for_turn(connection: Connection, turn: Turn) -> None:
    """Until the transaction ends no other one that asks for this turn goes on from here.

    Nothing on SQLite, where a write transaction is alone anyway.

    Raises:
        StoreUnavailable: the other one took too long.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(turn)})


def own_for_life(connection: Connection, table: str, wait_s: float) -> bool:
    """Make the session of `connection` the only one that owns `table`, until the session ends.

    Owning is an agreement among those who call this; nothing else is kept from the table.
    False when another session still owned it after `wait_s`.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    try:
        with connection.begin():
            connection.execute(text(f"SET LOCAL lock_timeout = {max(1, round(wait_s * 1000))}"))
            connection.execute(_OWN, {"key": _OWNERS, "name": table})
    except StoreUnavailable as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_TIMEOUT:
            raise
        return False
    return True


_OWNERS = 0x6F776E
_OWN = text(
    "SELECT pg_advisory_lock(CAST(:key AS integer), "
    "CAST(CAST(CAST(:name AS regclass) AS oid) AS integer))"
)
_LOCK_TIMEOUT = "55P03"


def _commit_to_disk(connection: Any, _record: object) -> None:
    # "off" would answer for events that a crash of the server loses. Any other value is kept:
    # it says how far a standby must have come.
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        row: Sequence[str] = cursor.fetchone()
        if row[0] == "off":
            cursor.execute("SET synchronous_commit = on")
    connection.commit()
