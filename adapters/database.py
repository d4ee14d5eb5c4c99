"""Opening a database: migrations, transactions, and one mapping of its failures."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine, MetaData, event, text
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import TimeoutError as PoolTimeout

from adapters import postgresql_engine, sqlite_engine
from adapters.sqlite_engine import BEGIN, CACHE_KIB
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
HEADS: dict[DatabaseName, str] = {"log": "0002", "store": "0003", "responses": "0003"}

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def open_database(url: str, metadata_name: DatabaseName, cache_kib: int = CACHE_KIB) -> Engine:
    """The engine of one of the three databases, migrated to the newest revision.

    SQLite: creates the folder and sets WAL with synchronous=FULL; `cache_kib` bounds the pages
    that each connection keeps (a process that does nothing but import gains from 64 MiB).
    PostgreSQL: by psycopg 3; all three may be one database. A commit has reached the disk when it
    returns. Use `writing` and `reading` for transactions. Any failure of the database behind the
    engine is raised as StoreUnavailable.

    Raises:
        StoreUnavailable: the database cannot be opened.
        ValueError: the URL is of no use here.
    """
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    engine = (
        sqlite_engine.sqlite_engine(parsed, cache_kib)
        if sqlite
        else postgresql_engine.postgresql_engine(parsed)
    )
    event.listen(engine, "handle_error", _translate)
    try:
        if sqlite:
            sqlite_engine.enter_wal(engine)
        if current_revision(engine, metadata_name) != HEADS[metadata_name]:
            _migrate(engine, metadata_name)
        if not sqlite:
            postgresql_engine.warn_of_lost_commits(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: committed at the end of the block, rolled back on any exception.

    On SQLite it takes the write lock at once (BEGIN IMMEDIATE): what it reads stays true until
    the commit. On PostgreSQL others may write meanwhile: lock what must stay true.

    Raises:
        StoreUnavailable: nothing was written.
    """
    with write_connection(engine) as connection, connection.begin():
        yield connection


def write_connection(engine: Engine) -> Connection:
    """A connection whose every `begin` opens a transaction as `writing` does, for a long life.

    Raises:
        StoreUnavailable: there is none to be had.
    """
    return _connection(engine).execution_options(**{BEGIN: "BEGIN IMMEDIATE"})


@contextmanager
def reading(engine: Engine, consistent: bool = False) -> Iterator[Connection]:
    """A connection for queries; `consistent` shows all of them one state of the database.

    Raises:
        StoreUnavailable: there is none to be had.
    """
    with _connection(engine) as connection:
        if engine.dialect.name == "sqlite":
            connection.execution_options(**{BEGIN: "BEGIN" if consistent else ""})
        else:
            # Without a transaction a query is one round trip, not three.
            level = "REPEATABLE READ" if consistent else "AUTOCOMMIT"
            connection.execution_options(isolation_level=level)
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


def _connection(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except PoolTimeout as error:
        raise StoreUnavailable(f"database unavailable: {error}", retry_after_s=1) from error


def _translate(context: ExceptionContext) -> BaseException | None:
    """The one place where a failure of a database becomes StoreUnavailable."""
    if context.is_pre_ping:
        return None  # the pool opens another connection
    original = context.original_exception
    if isinstance(original, sqlite3.Error):
        lost = sqlite_engine.is_outage(original)
    else:
        lost = isinstance(original, Exception) and postgresql_engine.is_outage(original)
    return StoreUnavailable(f"database unavailable: {original}") if lost else None


def _migrate(engine: Engine, name: DatabaseName) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / name / "versions"))
    config.set_main_option("path_separator", "newline")
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0"))
        postgresql_engine.wait_for_turn(connection, postgresql_engine.Turn.MIGRATING)
        # Under the lock: a second process finds the work done and changes nothing.
        config.attributes["connection"] = connection
        config.attributes["database"] = name
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreUnavailable(
                f"the database of the {name} was written by a newer version of this program "
                f"({error}); update the program, or restore a backup"
            ) from error
