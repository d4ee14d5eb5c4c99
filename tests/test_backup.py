"""A backup taken beside a running program restores to the same state."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.ports import free_port
from commands.backup import back_up
from commands.simulate import store_world
from composition import open_store
from events_composition import open_events
from recommender.errors import FairreelError
from recommender.simulate import WorldSpec
from recommender.types import Event, EventType
from settings import Settings
from tests.databases_of_tests import NEEDS_POSTGRESQL, empty_database

SMALL = WorldSpec(n_movies=60, n_users=20, n_events=400)


def settings_in(folder: Path) -> Settings:
    return Settings(data_folder=folder, registry_folder=folder / "registry")


def test_a_backup_of_open_databases_has_the_same_state(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    side, events = open_store(settings), open_events(settings)
    store_world(SMALL, side.store, side.catalogue, side.imports, 1)
    events.outbox.accept([Event("e1", EventType.RATE, "u", "f", 1_000_000, 1_000_000, "api", 4.0)])
    copied = back_up(settings, tmp_path / "backup")
    assert copied[:2] == ["store.db", "log.db"]
    restored = settings_in(tmp_path / "backup")
    other_side, other = open_store(restored), open_events(restored)
    assert other_side.store.state_hash() == side.store.state_hash()
    assert other.bus.end_offsets(["ratings"]) == events.bus.end_offsets(["ratings"])
    assert other.bus.cluster_id == events.bus.cluster_id
    for each in (side, events, other_side, other):
        each.close()


def test_a_backup_replaces_nothing(tmp_path: Path) -> None:
    with pytest.raises(FairreelError, match="already"):
        back_up(settings_in(tmp_path / "data"), tmp_path)


@NEEDS_POSTGRESQL
@pytest.mark.needs_tool("pg_dump", "pg_restore")
def test_a_dump_of_postgresql_restores_to_the_same_state(tmp_path: Path) -> None:
    url = empty_database(tmp_path, "postgresql")
    values = {"data_folder": tmp_path / "data", "registry_folder": tmp_path / "registry"}
    settings = Settings(**values, store_url=url, log_url=url, responses_url=url)
    side, events = open_store(settings), open_events(settings)
    store_world(SMALL, side.store, side.catalogue, side.imports, 1)
    events.outbox.accept([Event("e1", EventType.RATE, "u", "f", 1_000_000, 1_000_000, "api", 4.0)])
    assert back_up(settings, tmp_path / "backup") == ["store.dump"]
    other_url = empty_database(tmp_path, "postgresql")
    subprocess.run(
        ["pg_restore", "--no-owner", "--exit-on-error",
         f"--dbname={other_url.replace('+psycopg', '')}", tmp_path / "backup" / "store.dump"],
        check=True,
    )  # fmt: skip
    restored = Settings(**values, store_url=other_url, log_url=other_url)
    other_side, other = open_store(restored), open_events(restored)
    assert other_side.store.state_hash() == side.store.state_hash()
    assert other_side.store.last_sequence() == side.store.last_sequence()
    assert other.bus.end_offsets(["ratings"]) == events.bus.end_offsets(["ratings"])
    assert other.bus.cluster_id == events.bus.cluster_id
    # Numbers go on behind those that were restored.
    other.outbox.accept([Event("e2", EventType.RATE, "u", "g", 1_000_000, 1_000_000, "api", 4.0)])
    for each in (side, events, other_side, other):
        each.close()


@NEEDS_POSTGRESQL
@pytest.mark.needs_tool("pg_dump")
def test_a_log_of_its_own_is_copied_beside_the_dump_of_the_store(tmp_path: Path) -> None:
    url = empty_database(tmp_path, "postgresql")
    settings = Settings(data_folder=tmp_path / "data", registry_folder=tmp_path / "registry",
                        store_url=url, responses_url=url)
    open_store(settings).close()
    open_events(settings).close()
    assert back_up(settings, tmp_path / "backup") == ["store.dump", "log.db"]


@pytest.mark.needs_tool("pg_dump")
def test_a_dump_that_fails_says_why_and_not_the_password(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://ours:s3cret@127.0.0.1:{free_port()}/nobody"
    settings = Settings(data_folder=tmp_path / "data", store_url=url)
    with pytest.raises(FairreelError, match=r"pg_dump: .*refused") as failed:
        back_up(settings, tmp_path / "backup")
    assert "s3cret" not in str(failed.value)
