"""Opening a database: migrations, pragmas, transactions, and one mapping of its failures."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import InterfaceError, OperationalError

from adapters.tables import log_metadata, responses_metadata, store_metadata
from recommender.errors import StoreUnavailable

DatabaseName = Literal["log", "store", "responses"]

METADATA: dict[DatabaseName, MetaData] = {
    "log": log_metadata,
    "store": store_metadata,
    "responses": responses_metadata,
}
# Newest revision of each folder under migrations/. Kept here so that an up-to-date database
# opens without alembic being imported (0.3 s); a test compares it with the folders.
HEADS: dict[DatabaseName, str] = {"log": "0001", "store": "0001", "responses": "0001"}

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
BUSY_TIMEOUT_MS = 10_000
CACHE_KIB = 4_096
"""Pages kept by each connection. The system keeps the file in memory as well."""
_BEGIN = "fairreel_begin"
_LOCK_OF_POSTGRESQL = 0x66616972
# SQL mistakes, misuse, constraint and type errors: ours to repair, not an outage.
_OUR_MISTAKES = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,
}


def open_database(url: str, metadata_name: DatabaseName, cache_kib: int = CACHE_KIB) -> Engine:
    """The engine of one of the three databases, migrated to the newest revision.

    For SQLite it creates the folder and sets WAL with synchronous=FULL, so that a commit has
    reached the disk when it returns; `cache_kib` bounds the pages that each connection keeps (a
    process that does nothing but import gains from 64 MiB). Use `writing` and `reading` for
    transactions. Any failure of the database behind the engine is raised as StoreUnavailable.

    Raises:
        StoreUnavailable: the database cannot be opened.
    """
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    engine = _sqlite_engine(parsed, cache_kib) if sqlite else _engine(parsed)
    event.listen(engine, "handle_error", _translate)
    try:
        if engine.dialect.name == "sqlite":
            _enter_wal(engine)
        if current_revision(engine, metadata_name) != HEADS[metadata_name]:
            _migrate(engine, metadata_name)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: committed at the end of the block, rolled back on any exception.

    On SQLite it takes the write lock at once (BEGIN IMMEDIATE): what it reads stays true until
    the commit.

    Raises:
        StoreUnavailable: nothing was written.
    """
    with write_connection(engine) as connection, connection.begin():
        yield connection


def write_connection(engine: Engine) -> Connection:
    """A connection whose every `begin` opens a transaction as `writing` does, for a long life."""
    return engine.connect().execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


@contextmanager
def reading(engine: Engine, consistent: bool = False) -> Iterator[Connection]:
    """A connection for queries; `consistent` shows all of them one state of the database."""
    with engine.connect() as connection:
        connection.execution_options(**{_BEGIN: "BEGIN" if consistent else ""})
        yield connection


def current_revision(engine: Engine, name: DatabaseName) -> str | None:
    """The revision that the database is at, None for an empty one."""
    with reading(engine) as connection:
        if not engine.dialect.has_table(connection, version_table(name)):
            return None
        found = connection.execute(text(f"SELECT version_num FROM {version_table(name)}"))
        revision = found.scalar()
    return None if revision is None else str(revision)


def version_table(name: DatabaseName) -> str:
    """Where alembic notes the revision; one a database name, as all may share a PostgreSQL."""
    return f"alembic_version_{name}"


def _busy(error: BaseException | None) -> bool:
    busy = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF in busy


def _translate(context: ExceptionContext) -> BaseException | None:
    """The one place where a failure of a database becomes StoreUnavailable."""
    original = context.original_exception
    if isinstance(original, sqlite3.Error):
        # Errors of the driver itself (a wrong number of values, say) carry no code.
        code: int | None = getattr(original, "sqlite_errorcode", None)
        lost = code is not None and code & 0xFF not in _OUR_MISTAKES
    else:
        lost = isinstance(context.sqlalchemy_exception, OperationalError | InterfaceError)
    return StoreUnavailable(f"database unavailable: {original}") if lost else None


def _engine(url: URL) -> Engine:
    return create_engine(url, pool_size=8, max_overflow=32, pool_pre_ping=True)


def _sqlite_engine(url: URL, cache_kib: int) -> Engine:
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
    statement: str = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)


def _enter_wal(engine: Engine) -> None:
    # Changing the mode answers "locked" at once, whatever the busy timeout is.
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            with reading(engine) as connection:
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


def _migrate(engine: Engine, name: DatabaseName) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / name / "versions"))
    config.set_main_option("path_separator", "newline")
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            lock: dict[str, Any] = {"key": _LOCK_OF_POSTGRESQL}
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), lock)
        # Under the lock: a second process finds the work done and changes nothing.
        config.attributes["connection"] = connection
        config.attributes["database"] = name
        command.upgrade(config, "head")
