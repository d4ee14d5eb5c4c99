"""Migrated databases for tests, on each kind of server, and ways to make them fail."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from adapters.database import METADATA, DatabaseName, open_database
from tests.postgres_server import PostgresServer

NEEDS_POSTGRESQL = pytest.mark.needs_tool("initdb", "postgres", "setpriv")


def on_postgresql(name: str) -> Any:
    """A parameter of tests that need the server."""
    return pytest.param(name, marks=NEEDS_POSTGRESQL)


KINDS = ("sqlite", on_postgresql("postgresql"))
"""For `pytest.fixture(params=...)`: every contract on each kind of database."""
_TEMPLATE = "fairreel_template"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


def sqlite_url(folder: Path, name: DatabaseName) -> str:
    return f"sqlite:///{folder}/{name}.db"


def database_url(folder: Path, name: DatabaseName, kind: str = "sqlite") -> str:
    """On PostgreSQL one database holds the three of a folder."""
    return sqlite_url(folder, name) if kind == "sqlite" else postgres().url_for(folder)


def new_database(folder: Path, name: DatabaseName, kind: str = "sqlite") -> Engine:
    """The migrated database of `folder`; it lasts until the test ends."""
    engine = open_database(database_url(folder, name, kind), name)
    if kind != "sqlite":
        postgres().engines.append(engine)
    return engine


def empty_database(folder: Path, kind: str) -> str:
    """URL of a database without tables, used by one test only."""
    return f"sqlite:///{folder}/empty.db" if kind == "sqlite" else postgres().empty()


class _Postgres:
    """One server for all tests, and its databases: a clean one for each folder of a test."""

    def __init__(self) -> None:
        self.server = PostgresServer()
        self.engines: list[Engine] = []
        self._made = 0
        self._clean: list[str] = []
        self._of_folder: dict[Path, str] = {}
        self.server.start()
        with closing(self.server.connect()) as connection:
            connection.execute(f"CREATE DATABASE {_TEMPLATE}")
            for name in METADATA:
                open_database(self.server.url(_TEMPLATE), name).dispose()

    def url_for(self, folder: Path) -> str:
        if folder not in self._of_folder:
            self._of_folder[folder] = self._clean.pop() if self._clean else self._make()
        return self.server.url(self._of_folder[folder])

    def empty(self) -> str:
        return self.server.url(self._make("template1"))

    def take_back(self) -> None:
        """Empty what the test used, for the next one: 5 ms, where a new database takes 60."""
        for engine in self.engines:
            engine.dispose()
        self.engines = []
        for database in self._of_folder.values():
            self._empty(database)
            self._clean.append(database)
        self._of_folder = {}

    def _make(self, template: str = _TEMPLATE) -> str:
        self._made += 1
        name = f"test_{self._made}"
        with closing(self.server.connect()) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def _empty(self, database: str) -> None:
        tables = [t.name for metadata in METADATA.values() for t in metadata.sorted_tables]
        with closing(self.server.connect(database)) as connection:
            # Whoever is still inside, with a lock perhaps, is no longer wanted.
            connection.execute(
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute(";".join(f'DELETE FROM "{table}"' for table in tables))
            sequences = connection.execute("SELECT sequencename FROM pg_sequences").fetchall()
            connection.execute(";".join(f"ALTER SEQUENCE {name} RESTART" for (name,) in sequences))


@cache
def postgres() -> _Postgres:
    """The server, started by the first test that needs it and ended with the tests."""
    made = _Postgres()
    atexit.register(made.server.remove)
    return made


def take_back_databases() -> None:
    """After each test."""
    if postgres.cache_info().currsize:
        postgres().take_back()


@contextmanager
def full_disk(engine: Engine) -> Iterator[None]:
    """As long as it lasts no transaction of the engine finds room for a new page."""
    if engine.dialect.name == "postgresql":
        with _refusing_rows(engine):
            yield
        return

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
def _refusing_rows(engine: Engine) -> Iterator[None]:
    """Each insertion fails in the server, with the error that a full disk gives."""
    with closing(postgres().server.connect(str(engine.url.database))) as connection:
        tables = connection.execute(_TABLES).fetchall()
        connection.execute(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'could not extend file: No space left on device' "
            "USING ERRCODE = 'disk_full'; END $$")
        connection.execute(";".join(
            f'CREATE TRIGGER refuse BEFORE INSERT ON "{table}" EXECUTE FUNCTION refuse()'
            for (table,) in tables))
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION refuse CASCADE")


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """As long as it lasts another writer holds the database, and nobody waits for long."""
    postgresql = engine.dialect.name == "postgresql"

    def be_impatient(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if postgresql and not statement.startswith("SET") and connection.in_transaction():
            connection.connection.cursor().execute("SET LOCAL lock_timeout = 20")
        elif statement.startswith("BEGIN"):
            connection.connection.cursor().execute("PRAGMA busy_timeout = 20")

    event.listen(engine, "before_cursor_execute", be_impatient)
    holder = engine.raw_connection()
    assert holder.driver_connection is not None
    _lock(engine, holder.driver_connection)
    try:
        yield
    finally:
        holder.driver_connection.execute("ROLLBACK")
        holder.close()
        event.remove(engine, "before_cursor_execute", be_impatient)


def _lock(engine: Engine, holder: Any) -> None:
    """Against writers, not against readers."""
    if engine.dialect.name == "sqlite":
        holder.execute("BEGIN IMMEDIATE")
        return
    names = ", ".join(f'"{table}"' for (table,) in holder.execute(_TABLES).fetchall())
    holder.execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")


def count(engine: Engine, table: str) -> int:
    """Rows of a table."""
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())
