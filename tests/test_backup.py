"""A backup taken beside a running program restores to the same state."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.backup import back_up
from commands.simulate import store_world
from composition import open_store
from events_composition import open_events
from recommender.errors import FairreelError
from recommender.simulate import WorldSpec
from recommender.types import Event, EventType
from settings import Settings

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


def test_another_database_than_sqlite_is_left_to_its_own_tools(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path / "data", store_url="postgresql://db/fairreel")
    with pytest.raises(FairreelError, match="its own"):
        back_up(settings, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
