"""Engines on SQLite: write-ahead logging, one writer, each commit on the disk."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

from recommender.errors import StoreUnavailable

CACHE_KIB = 4_096
"""Pages kept by each connection. The system keeps the file in memory as well."""
BUSY_TIMEOUT_MS = 10_000
BEGIN = "fairreel_begin"
"""Execution option of a connection: the statement that opens its transactions, "" for none."""
# SQL mistakes, misuse, constraint and type errors: ours to repair, not an outage.
_OUR_MISTAKES = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,
}


def sqlite_engine(url: URL, cache_kib: int) -> Engine:
    """An engine whose connections wait for a lock and reach the disk with each commit.

    Raises:
        StoreUnavailable: its folder cannot be made.
        ValueError: the URL names no file.
    """
    if not url.database or url.database == ":memory:":
        raise ValueError("SQLite needs a file: an in-memory database is neither shared nor durable")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"database unavailable: {error}") from error
    engine = create_engine(
        url,
        # A connection keeps its pages: few, and the warm ones first.
        pool_size=8,
        max_overflow=-1,
        pool_use_lifo=True,
        connect_args={"check_same_thread": False, "cached_statements": 512},
    )

    def set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
        _set_pragmas(connection, cache_kib)

    event.listen(engine, "connect", set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def enter_wal(engine: Engine) -> None:
    """Switch the file to write-ahead logging, once for all times.

    Raises:
        StoreUnavailable: it stays locked, or refuses.
    """
    # Changing the mode answers "locked" at once, whatever the busy timeout is.
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            with engine.connect() as connection:
                connection.execution_options(**{BEGIN: ""})
                mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
        except StoreUnavailable as error:
            if not _busy(error.__cause__) or time.monotonic() > deadline:
                raise
        else:
            if mode == "wal":
                return
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"SQLite refuses write-ahead logging (mode {mode})")
        time.sleep(0.02)


def is_outage(error: sqlite3.Error) -> bool:
    """Whether the database failed, and not the statement."""
    # Errors of the driver itself (a wrong number of values, say) carry no code.
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF not in _OUR_MISTAKES


def _busy(error: BaseException | None) -> bool:
    busy = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF in busy


def _set_pragmas(connection: sqlite3.Connection, cache_kib: int) -> None:
    # SQLAlchemy begins transactions itself: the driver's own BEGIN leaves out selects and DDL.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"cache_size = -{cache_kib}",
        "temp_store = MEMORY",
        "wal_autocheckpoint = 4000",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    statement: str = connection.get_execution_options().get(BEGIN, "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)
