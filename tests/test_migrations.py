"""The migrations make the tables that the code knows, once, whoever starts first."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from adapters.database import (
    HEADS,
    METADATA,
    MIGRATIONS,
    DatabaseName,
    current_revision,
    open_database,
    version_table,
)
from recommender.errors import StoreUnavailable
from tests.databases_of_tests import (
    NEEDS_POSTGRESQL,
    empty_database,
    new_database,
    sqlite_url,
)

NAMES: list[DatabaseName] = ["log", "store", "responses"]


@pytest.mark.parametrize("name", NAMES)
def test_the_newest_revision_is_the_one_that_the_code_names(name: DatabaseName) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / name / "versions"))
    config.set_main_option("path_separator", "newline")
    assert ScriptDirectory.from_config(config).get_heads() == [HEADS[name]]


@pytest.mark.parametrize("name", NAMES)
def test_a_migrated_database_has_the_tables_that_the_code_knows(
    tmp_path: Path, name: DatabaseName, kind: str
) -> None:
    engine = new_database(tmp_path, name, kind)
    ours = METADATA[name].tables

    def of_this_database(
        _object: object, found: str | None, what: str, _reflected: bool, _other: object
    ) -> bool:
        return what != "table" or found in ours  # on PostgreSQL the three share one

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": version_table(name),
                              "include_object": of_this_database}
        )  # fmt: skip
        assert compare_metadata(context, METADATA[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_database_of_a_newer_program_is_refused_in_words(
    tmp_path: Path, name: DatabaseName
) -> None:
    url = sqlite_url(tmp_path, name)
    engine = open_database(url, name)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {version_table(name)} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreUnavailable, match=f"of the {name} was written by a newer version"):
        open_database(url, name)


@pytest.mark.parametrize("name", NAMES)
def test_the_statements_kept_by_the_database_are_those_of_the_tables(
    tmp_path: Path, name: DatabaseName
) -> None:
    # Finds what alembic does not compare: primary keys, WITHOUT ROWID, names of constraints.
    migrated = new_database(tmp_path, name)
    made = create_engine(f"sqlite:///{tmp_path}/made.db")
    METADATA[name].create_all(made)
    kept = text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%'")
    schemas = []
    for engine in (migrated, made):
        with engine.connect() as connection:
            rows = connection.execute(kept).all()
        schemas.append({n: _normal(sql) for n, sql in rows if "alembic" not in n})
    assert schemas[0] == schemas[1]


@NEEDS_POSTGRESQL
@pytest.mark.parametrize("name", NAMES)
def test_the_columns_and_indexes_of_postgresql_are_those_of_the_tables(
    tmp_path: Path, name: DatabaseName
) -> None:
    # Finds what alembic does not compare: order of text, defaults, conditions of indexes.
    migrated = new_database(tmp_path, name, "postgresql")
    made = create_engine(migrated.url, connect_args={"options": "-c search_path=made"})
    with migrated.begin() as connection:
        connection.execute(text("CREATE SCHEMA made"))
    METADATA[name].create_all(made)
    tables = tuple(METADATA[name].tables)
    try:
        with migrated.connect() as connection:
            theirs, ours = (_described(connection, schema, tables) for schema in ("public", "made"))
        assert theirs == ours
        assert sum("COLLATE" in line or " C " in line for line in ours) > 0
    finally:
        made.dispose()
        with migrated.begin() as connection:
            connection.execute(text("DROP SCHEMA made CASCADE"))


def _described(connection: Connection, schema: str, tables: tuple[str, ...]) -> list[str]:
    columns = connection.execute(text(
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, "
        "collation_name, column_default FROM information_schema.columns "
        "WHERE table_schema = :schema AND table_name = ANY(:tables)"
    ), {"schema": schema, "tables": list(tables)}).all()  # fmt: skip
    indexes = connection.execute(text(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = :schema AND tablename = ANY(:tables)"
    ), {"schema": schema, "tables": list(tables)}).all()  # fmt: skip
    lines = [" ".join(map(str, row)) for row in (*columns, *indexes)]
    return sorted(line.replace(f"{schema}.", "") for line in lines)


def _normal(sql: str | None) -> list[str]:
    return sorted((sql or "").replace("(", " ").replace(")", " ").replace(",", " ").split())


@pytest.mark.parametrize("name", NAMES)
def test_opening_again_changes_nothing_and_is_quick(
    tmp_path: Path, name: DatabaseName, kind: str
) -> None:
    new_database(tmp_path, name, kind).dispose()
    begun = time.perf_counter()
    engine = new_database(tmp_path, name, kind)
    assert time.perf_counter() - begun < 2
    assert current_revision(engine, name) == HEADS[name]


def test_all_three_may_share_one_database(tmp_path: Path, kind: str) -> None:
    url = empty_database(tmp_path, kind)
    engines = [open_database(url, name) for name in NAMES]
    tables = set(inspect(engines[0]).get_table_names())
    assert {t.name for m in METADATA.values() for t in m.sorted_tables} <= tables
    assert {version_table(name) for name in NAMES} <= tables
    for engine in engines:
        engine.dispose()


def test_processes_that_start_together_migrate_once(tmp_path: Path, kind: str) -> None:
    code = (
        "import sys; from adapters.database import open_database, current_revision;"
        "e = open_database(sys.argv[1], 'store'); print(current_revision(e, 'store'))"
    )
    url = empty_database(tmp_path / "new" / "folder", kind)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=MIGRATIONS.parent,
        )
        for _ in range(3)
    ]  # fmt: skip
    for process in started:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out.strip()) == (0, HEADS["store"]), err


@pytest.mark.parametrize("name", NAMES)
def test_the_tables_can_be_taken_down_again(tmp_path: Path, name: DatabaseName, kind: str) -> None:
    url = empty_database(tmp_path, kind)
    engine = open_database(url, name)
    engine.dispose()
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "-n", name, "-x", f"url={url}", "downgrade", "base"],
        cwd=MIGRATIONS.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    left = create_engine(url)
    assert inspect(left).get_table_names() == [version_table(name)]
    left.dispose()


def test_a_place_that_cannot_hold_a_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreUnavailable):
        open_database(f"sqlite:///{tmp_path}/file/store.db", "store")
    (tmp_path / "store.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreUnavailable):
        open_database(sqlite_url(tmp_path, "store"), "store")


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a file"):
        open_database("sqlite://", "store")


def test_what_a_store_of_the_first_revision_holds_is_still_there(tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    made = create_engine(f"sqlite:///{old}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / "store" / "versions"))
    config.set_main_option("path_separator", "newline")
    with made.begin() as connection:
        config.attributes.update(connection=connection, database="store")
        command.upgrade(config, "0001")
        for n in (3, 7):
            connection.execute(text(
                "INSERT INTO applied_events VALUES (:n, :id, 1, 'rate', 'u', 'm', 4.5, NULL, NULL,"
                " 1, 2, 'api')"), {"n": n, "id": f"event-{n}"})
        connection.execute(text(
            "INSERT INTO dead_letters VALUES (5, 'c', 't', 0, 9, 'k', x'ff', 'bad', 1, NULL, NULL)"
        ))
    made.dispose()
    engine = open_database(f"sqlite:///{old}", "store")
    with engine.begin() as connection:
        assert connection.execute(text("SELECT sequence, event_id FROM applied_events")).all() == [
            (3, "event-3"), (7, "event-7")]
        assert connection.execute(text("SELECT sequence, value FROM dead_letters")).all() == [
            (5, b"\xff")]
        connection.execute(text("DELETE FROM applied_events"))
        connection.execute(text(
            "INSERT INTO applied_events (event_id, schema_version, type, user_id, timestamp_ms,"
            " received_at_ms, source) VALUES ('new', 1, 'rate', 'u', 1, 2, 'api')"))
        number = connection.execute(text("SELECT sequence FROM applied_events")).scalar()
    assert number == 8
