"""Migrated databases for tests, and ways to make them fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from adapters.database import DatabaseName, open_database


def sqlite_url(folder: Path, name: DatabaseName) -> str:
    return f"sqlite:///{folder}/{name}.db"


def new_database(folder: Path, name: DatabaseName) -> Engine:
    """A migrated SQLite database in `folder`."""
    return open_database(sqlite_url(folder, name), name)


@contextmanager
def full_disk(engine: Engine) -> Iterator[None]:
    """As long as it lasts no transaction of the engine finds room for a new page."""

    def stay_at_this_size(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    event.listen(engine, "begin", stay_at_this_size)
    try:
        yield
    finally:
        event.remove(engine, "begin", stay_at_this_size)
        event.listen(engine, "begin", _no_limit)


def _no_limit(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """As long as it lasts another writer holds the database, and nobody waits for long."""

    def be_impatient(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA busy_timeout = 20")

    def impatient_from_now(raw: Any, _record: object) -> None:
        raw.execute("PRAGMA busy_timeout = 20")

    engine.dispose()
    event.listen(engine, "connect", impatient_from_now)
    holder = engine.raw_connection()
    assert holder.driver_connection is not None
    holder.driver_connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.driver_connection.execute("ROLLBACK")
        holder.close()
        event.remove(engine, "connect", impatient_from_now)
