"""Old snapshots go, small files become one, rows are taken out; what is named stays readable."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.snapshot_files import SnapshotFiles
from adapters.snapshot_upkeep import SnapshotUpkeep
from adapters.snapshots import Snapshots
from recommender.errors import NotFound, SnapshotDamaged
from recommender.ports import Catalogue, EventStore
from recommender.schemas import Columns
from recommender.snapshot import (
    Snapshot,
    SnapshotFile,
    files_to_join,
    without_browse_events,
)
from recommender.types import Person, Trimmed
from tests.test_snapshots import HOUR, NOON, Films, Store, row, take

FAR = 250_000_000_000_000  # in the year 9892


class World:
    """Snapshots that an hour's events were added to, one after another."""

    def __init__(self, folder: Path, rows_per_file: int = 1000) -> None:
        self.files = SnapshotFiles(str(folder))
        self.snapshots = Snapshots(self.files, rows_per_file)
        self.upkeep = SnapshotUpkeep(self.files, rows_per_file)
        self.store = Store([])
        self.people = [Person(f"u{n}") for n in range(7)]
        self.taken: list[Snapshot] = []

    def hours(self, count: int, rows: int = 4) -> None:
        for _ in range(count):
            first = len(self.store.rows)
            self.store.rows += [row(n) for n in range(first, first + rows)]
            at_ms = NOON + len(self.taken) * HOUR
            self.taken.append(take(self.snapshots, self.store, Films([], self.people), at_ms))

    def ids(self, snapshot: Snapshot) -> list[str]:
        return list(self.snapshots.read(snapshot)[Columns.EVENT_ID])

    def paths(self) -> set[str]:
        return {path for kind in ("events", "movies", "people") for path in self.files.paths(kind)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_old_snapshots_go_but_for_the_newest_and_those_of_models(world: World) -> None:
    world.hours(5)
    first, second, *_, last = world.taken
    done = world.upkeep.tidy(FAR, {first.snapshot_id}, 0, NOON)
    assert done.snapshots_removed == 3
    assert world.ids(world.snapshots.find(first.snapshot_id)) == [f"event-{n}" for n in range(4)]
    assert world.snapshots.latest() is not None and len(world.ids(last)) == 20
    with pytest.raises(NotFound):
        world.snapshots.find(second.snapshot_id)


def test_without_knowing_what_models_need_nothing_goes(world: World) -> None:
    world.hours(3)
    assert world.upkeep.tidy(FAR, None, 0, NOON).snapshots_removed == 0
    assert world.upkeep.tidy(None, set(), 0, NOON).snapshots_removed == 0


def test_small_files_become_one_where_no_snapshot_ends_between_them(world: World) -> None:
    world.hours(6)
    third, last = world.taken[2], world.taken[-1]
    before = {s.snapshot_id: world.ids(s) for s in (third, last)}
    done = world.upkeep.tidy(FAR, {third.snapshot_id}, 0, NOON + 9 * HOUR)
    assert done.files_joined == 6
    for name, ids in before.items():
        found = world.snapshots.find(name)
        assert world.ids(found) == ids
        assert len(found.of_kind("events")) == (1 if name == third.snapshot_id else 2)
    # Those who read the files before have a day for it, then they go.
    assert world.ids(last) == before[last.snapshot_id]
    assert world.upkeep.tidy(None, set(), FAR, NOON).files_removed > 0
    assert world.paths() == {f.path for s in (third, last)
                             for f in world.snapshots.find(s.snapshot_id).files}
    # And the next snapshot goes on from there.
    world.hours(1)
    assert len(world.ids(world.taken[-1])) == 28
    assert len(world.taken[-1].of_kind("events")) == 3


def user_gone(user: str) -> object:
    def keep(kind: str, table: pa.Table) -> pa.Table:
        if Columns.USER not in table.column_names:
            return table
        return table.filter(pc.not_equal(table[Columns.USER], user))

    return keep


def test_rows_taken_out_are_nowhere_and_the_old_id_leads_to_the_rest(world: World) -> None:
    world.hours(5)
    needed, last = world.taken[1], world.taken[-1]
    done = world.upkeep.rewrite(user_gone("u3"), {needed.snapshot_id}, "erasure", FAR)  # type: ignore[arg-type]
    assert done.snapshots_removed == 3
    assert {old for old, _ in done.rewritten} == {needed.snapshot_id, last.snapshot_id}
    for old in (needed, last):
        found = world.snapshots.find(old.snapshot_id)
        assert found.snapshot_id != old.snapshot_id
        frame = world.snapshots.read(found)
        assert "u3" not in set(frame[Columns.USER]) and len(frame)
        assert "u3" not in {person.user_id for person in world.snapshots.people(found)}
        assert found.rows == len(frame)
    for path in world.paths():
        content = (Path(world.files.url) / path).read_bytes()
        table = pq.read_table(pa.BufferReader(content))
        assert "u3" not in table[Columns.USER].to_pylist()
    # The same rows written at once have the same id: it is the content that names it.
    rest = [r for r in world.store.rows if r[3] != "u3"]
    again = World(Path(world.files.url) / "again")
    again.store.rows, again.people = rest, [p for p in world.people if p.user_id != "u3"]
    again.hours(1, 0)
    assert again.taken[0].snapshot_id == world.snapshots.find(last.snapshot_id).snapshot_id


def test_rewriting_twice_changes_nothing_and_ids_lead_on_from_one_to_the_next(
    world: World,
) -> None:
    world.hours(2)
    first = world.taken[-1].snapshot_id
    world.upkeep.rewrite(user_gone("u1"), (), "erasure", FAR)  # type: ignore[arg-type]
    assert world.upkeep.rewrite(user_gone("u1"), (), "erasure", FAR).rewritten == ()  # type: ignore[arg-type]
    world.upkeep.rewrite(user_gone("u2"), (), "erasure", FAR)  # type: ignore[arg-type]
    found = world.snapshots.find(first)
    assert found == world.snapshots.latest()
    assert not {"u1", "u2"} & set(world.snapshots.read(found)[Columns.USER])


def test_after_the_newest_rows_were_taken_out_the_next_snapshot_goes_on(world: World) -> None:
    world.hours(2)
    user = world.store.rows[-1][3]
    world.upkeep.rewrite(user_gone(user), (), "erasure", FAR)  # type: ignore[arg-type]
    kept = [r for r in world.store.rows if r[3] != user]

    class Gaps(Store):
        def event_chunks(self, after_sequence: int, rows: int):  # type: ignore[no-untyped-def]
            for frame in super().event_chunks(after_sequence, rows):
                yield frame[frame[Columns.USER] != user]

    store = Gaps([*world.store.rows, row(50, user_id="new")])
    found = world.snapshots.take(
        cast(EventStore, store), cast(Catalogue, Films()), NOON + 99 * HOUR)
    assert world.ids(found) == [*(r[0] for r in kept), "event-50"]


def test_views_and_searches_up_to_a_number_leave_the_snapshots(world: World) -> None:
    world.hours(3)
    world.upkeep.rewrite(without_browse_events(6), (), "retention", FAR)
    frame = world.snapshots.read(world.snapshots.find(world.taken[-1].snapshot_id))
    searches = frame[frame[Columns.TYPE] == "search"][Columns.SEQUENCE]
    assert searches.min() > 6
    assert len(frame) == 12 - 2


def test_a_store_without_its_first_events_never_starts_over_by_itself(world: World) -> None:
    world.hours(2)
    world.store.gone = Trimmed(events=4)
    world.files.remove("manifests/latest.json")
    with pytest.raises(SnapshotDamaged, match="no longer has its events up to number 4"):
        take(world.snapshots, world.store)
    anew = world.snapshots.take(
        cast(EventStore, world.store), cast(Catalogue, Films()), NOON, begin_anew=True)
    assert anew.rows == 8


def test_an_unknown_file_system_is_told_in_one_line() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        SnapshotFiles("nowhere://x")


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=12), st.integers(2, 20))
def test_joined_runs_are_small_and_whole_in_every_snapshot(
    made: list[tuple[int, bool]], rows_max: int
) -> None:
    files = [SnapshotFile(kind="events", path=f"{n}", rows=rows, sha256="0" * 64)
             for n, (rows, _) in enumerate(made)]
    blank = Snapshot(snapshot_id="sha256:" + "0" * 64, created_at_ms=0, files=(), rows=0,
                     watermark_sequence=0, watermark_timestamp_ms=0, watermark_event_id="")
    snapshots = [blank.model_copy(update={"files": tuple(files[: n + 1])})
                 for n, (_, ends) in enumerate(made) if ends or n == len(made) - 1]
    if not snapshots:
        return
    runs = files_to_join(snapshots[-1], snapshots, rows_max)
    for run in runs:
        assert len(run) > 1 and sum(file.rows for file in run) <= rows_max
        for snapshot in snapshots:
            held = [file in snapshot.files for file in run]
            assert all(held) or not any(held)
    paths = [file.path for run in runs for file in run]
    assert len(paths) == len(set(paths))
