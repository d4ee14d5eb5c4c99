"""Once a day the snapshot child removes what is old, and never what a kept model needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from adapters.store_marks import StoreMarks
from adapters.store_trim import BrowseEventsTrim
from commands.train import run_training
from commands.training_parts import TrainingParts, open_training
from commands.training_run import take_snapshot
from composition import StoreSide
from recommender.errors import NotFound
from recommender.schemas import Columns
from retention_composition import DAY_HOURS, HOUR_MS, tidy_snapshots
from settings import Settings
from tests.sample_events import NOW_MS, frame_of, rating, view
from tests.training_world import settings, side  # noqa: F401

DAY_MS = DAY_HOURS * HOUR_MS


@pytest.fixture
def parts(settings: Settings, side: StoreSide) -> Iterator[TrainingParts]:  # noqa: F811
    chosen = settings.model_copy(update={"models": ["popularity"]})
    assert run_training(chosen, lambda _line: None) == 0
    with open_training(settings, publishing=False) as opened:
        yield opened


def at(parts: TrainingParts, days: float) -> TrainingParts:
    """The same, so many days from now."""
    now_ms = parts.clock()
    return dataclasses.replace(parts, clock=lambda: now_ms + int(days * DAY_MS))


def snapshot(parts: TrainingParts) -> str:
    return take_snapshot(parts, "test", lambda: None).snapshot_id


def tidy(parts: TrainingParts, settings: Settings, days: float):  # type: ignore[no-untyped-def]  # noqa: F811
    return tidy_snapshots(settings, at(parts, days), "test", lambda: None)


def test_old_snapshots_go_once_a_day_but_not_those_of_models_nor_the_newest(
    parts: TrainingParts, settings: Settings  # noqa: F811
) -> None:
    of_model = snapshot(parts)
    parts.store.apply(frame_of([rating("a")]))
    between = snapshot(parts)
    parts.store.apply(frame_of([rating("b")]))
    newest = snapshot(parts)
    assert tidy(parts, settings, 1).snapshots_removed == 0
    assert tidy(parts, settings, 1.5).snapshots_removed == 0
    # A day has not gone by since the last time, however old they are.
    parts.snapshots.files.put("manifests/upkeep", str(at(parts, 40).clock()).encode())
    assert tidy(parts, settings, 40.5).snapshots_removed == 0
    assert tidy(parts, settings, 42).snapshots_removed == 1
    for name in (of_model, newest):
        assert parts.snapshots.find(name).snapshot_id == name
        assert len(parts.snapshots.read(parts.snapshots.find(name)))
    with pytest.raises(NotFound):
        parts.snapshots.find(between)


def test_views_that_left_the_store_leave_the_snapshots_and_the_gate_finds_its_data(
    parts: TrainingParts, settings: Settings, side: StoreSide  # noqa: F811
) -> None:
    parts.store.apply(frame_of([view("seen", "u-of-view"), rating("kept", "u-of-view")]))
    StoreMarks(side.engine).note(NOW_MS, 0)
    parts.store.apply(frame_of([rating("newest")]))
    before = snapshot(parts)
    trim = BrowseEventsTrim(side.engine, lambda: 10**9)
    assert sum(trim.steps(NOW_MS)) == 1
    ((old, new),) = tidy(parts, settings, 1).rewritten
    assert old == before
    found = parts.snapshots.read(parts.snapshots.find(before))
    assert "seen" not in set(found[Columns.EVENT_ID])
    assert {"kept", "newest"} <= set(found[Columns.EVENT_ID])
    record = parts.allow_list.serving()
    assert record is not None
    own = parts.files.manifest(record.version_id).data_snapshot_id
    assert len(parts.snapshots.read(parts.snapshots.find(own)))
    # Nothing is new in the store but what was there: the next snapshot is the rewritten one.
    assert snapshot(parts) == new


def test_while_a_manifest_of_a_model_cannot_be_read_nothing_goes(
    parts: TrainingParts, settings: Settings  # noqa: F811
) -> None:
    parts.store.apply(frame_of([rating("a")]))
    snapshot(parts)
    parts.store.apply(frame_of([rating("b")]))
    snapshot(parts)
    (manifest,) = parts.files.folder.glob("*.json")
    manifest.write_bytes(manifest.read_bytes().replace(b"popularity", b"popularitY"))
    assert tidy(parts, settings, 60).snapshots_removed == 0
