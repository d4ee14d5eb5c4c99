"""A snapshot is the data of one moment, named by its content, and read only when intact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import fsspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.snapshots import Snapshots
from recommender.errors import NotFound, SnapshotDamaged
from recommender.ports import Catalogue, EventStore
from recommender.schemas import Columns, event_frame
from recommender.snapshot import Snapshot
from recommender.types import Movie, Person, Trimmed

NOON = 1_795_262_400_000  # 2026-11-21T12:00Z
HOUR = 3_600_000
Row = tuple[Any, ...]


def row(number: int, **changes: Any) -> Row:
    kind = ("rate", "watch", "search")[number % 3]
    values = {
        Columns.EVENT_ID: f"event-{number}", Columns.SCHEMA_VERSION: 1, Columns.TYPE: kind,
        Columns.USER: f"u{number % 7}", Columns.ITEM: None if kind == "search" else f"i{number}",
        Columns.RATING: 3.5 if kind == "rate" else None,
        Columns.MINUTE: number if kind == "watch" else None,
        Columns.QUERY: "Åsa & 'Q'" if kind == "search" else None,
        Columns.TIMESTAMP: 1_000 + number, Columns.RECEIVED: 2_000 + number,
        Columns.SOURCE: "test",
    } | changes  # fmt: skip
    return tuple(values[name] for name in Columns.EVENT)


class Store:
    """A working store in memory: sequences count from `first`, in the order given."""

    def __init__(self, rows: list[Row], first: int = 1, step: int = 1) -> None:
        self.rows = rows
        self.first, self.step = first, step
        self.gone = Trimmed()

    def trimmed(self) -> Trimmed:
        return self.gone

    def event_chunks(self, after_sequence: int, rows: int) -> Iterator[pd.DataFrame]:
        numbered = [(self.first + self.step * n, r) for n, r in enumerate(self.rows)]
        new = [(sequence, r) for sequence, r in numbered if sequence > after_sequence]
        for start in range(0, len(new), rows):
            chunk = new[start : start + rows]
            frame = event_frame(
                [list(column) for column in zip(*(r for _, r in chunk), strict=True)]
            )
            frame.insert(0, Columns.SEQUENCE, [sequence for sequence, _ in chunk])
            yield frame


class Films:
    """A catalogue in memory."""

    def __init__(self, movies: list[Movie] | None = None, people: list[Person] | None = None):
        self._movies, self._people = movies or [], people or []

    def movies(self) -> list[Movie]:
        return self._movies

    def people(self) -> list[Person]:
        return self._people


def take(
    snapshots: Snapshots, store: Store, films: Films | None = None, at_ms: int = NOON
) -> Snapshot:
    return snapshots.take(cast(EventStore, store), cast(Catalogue, films or Films()), at_ms)


def memory(rows_per_file: int = 1000) -> Snapshots:
    return Snapshots(f"memory://{uuid4()}", rows_per_file)


def name_of(rows: list[Row], films: Films | None = None, **kw: int) -> str:
    return take(memory(), Store(rows, **kw), films).snapshot_id


ROWS = [row(n) for n in range(20)]
MOVIES = [
    Movie("i1", "Brazil", 1985, ("Comedy", "Sci-Fi"), 5), Movie("i2", "", None, (), 7, True),
]  # fmt: skip
PEOPLE = [Person("u1", "F", 44, "artist"), Person("u2")]


@pytest.mark.parametrize("url", ["{folder}/snapshots", "file://{folder}/s", "memory://{folder}"])
def test_what_was_written_is_read(tmp_path: Path, url: str) -> None:
    snapshots = Snapshots(url.format(folder=tmp_path), rows_per_file=6)
    taken = take(snapshots, Store(ROWS), Films(MOVIES, PEOPLE))
    frame = snapshots.read(taken)
    assert list(frame.columns) == [Columns.SEQUENCE, *Columns.EVENT]
    for column, name in enumerate(Columns.EVENT):
        found = frame[name].astype(object).where(frame[name].notna(), None).tolist()
        assert found == [r[column] for r in ROWS]
    assert frame[Columns.SEQUENCE].tolist() == list(range(1, 21))
    assert snapshots.movies(taken) == MOVIES
    assert snapshots.people(taken) == PEOPLE
    assert snapshots.latest() == snapshots.find(taken.snapshot_id) == taken


def test_files_lie_by_kind_date_and_hour_and_are_named_by_sequence(tmp_path: Path) -> None:
    snapshots = Snapshots(str(tmp_path), rows_per_file=15)
    taken = take(snapshots, Store(ROWS, first=101), Films(MOVIES))
    assert [f.path for f in taken.of_kind("events")] == [
        "events/date=2026-11-21/hour=12/part-000000000101-000000000115.parquet",
        "events/date=2026-11-21/hour=12/part-000000000116-000000000120.parquet",
    ]
    on_disk = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.parquet")}
    assert on_disk == {file.path for file in taken.files}
    assert len(taken.of_kind("movies")) == 1 and not taken.of_kind("people")
    other = pd.read_parquet(tmp_path / taken.files[0].path)  # any reader of Parquet can read it
    assert len(other) == taken.files[0].rows == 15


def test_only_new_events_are_written() -> None:
    snapshots = memory()
    first = take(snapshots, Store(ROWS[:8]), Films(MOVIES))
    second = take(snapshots, Store(ROWS), Films(MOVIES), NOON + HOUR)
    assert second.of_kind("movies") == first.of_kind("movies")
    assert second.of_kind("events")[0] == first.of_kind("events")[0]
    assert [f.rows for f in second.of_kind("events")] == [8, 12]
    assert "hour=13" in second.of_kind("events")[1].path
    assert (second.watermark_sequence, second.rows) == (20, 20)
    assert second.watermark_timestamp_ms == 1_019
    assert len(snapshots.read(first)) == 8  # the older snapshot is what it was


def test_nothing_new_is_no_new_snapshot(tmp_path: Path) -> None:
    snapshots = Snapshots(str(tmp_path))
    first = take(snapshots, Store(ROWS), Films(MOVIES))
    files = sorted(tmp_path.rglob("*"))
    assert take(snapshots, Store(ROWS), Films(MOVIES), NOON + HOUR) == first
    assert sorted(tmp_path.rglob("*")) == files


def test_an_empty_store_has_a_snapshot_without_rows() -> None:
    snapshots = memory()
    taken = take(snapshots, Store([]))
    assert (taken.rows, taken.files) == (0, ())
    assert snapshots.read(taken).empty
    assert take(snapshots, Store(ROWS)).rows == 20


@settings(max_examples=20, deadline=None)
@given(
    st.permutations(ROWS), st.lists(st.integers(1, 19), max_size=3), st.integers(1, 25),
    st.integers(1, 9),
)  # fmt: skip
def test_the_id_does_not_depend_on_order_chunks_or_sequence_numbers(
    rows: list[Row], cuts: list[int], per_file: int, step: int
) -> None:
    snapshots = memory(per_file)
    for cut in sorted(cuts):
        take(snapshots, Store(rows[:cut], step=step))
    taken = take(snapshots, Store(rows, step=step))
    assert taken.snapshot_id == name_of(ROWS)


CHANGES: dict[str, Any] = {
    Columns.EVENT_ID: "event-x", Columns.SCHEMA_VERSION: 2, Columns.TYPE: "view",
    Columns.USER: "u99", Columns.ITEM: "i99", Columns.RATING: 4.0, Columns.MINUTE: 5,
    Columns.QUERY: "q", Columns.TIMESTAMP: 1, Columns.RECEIVED: 1, Columns.SOURCE: "else",
}  # fmt: skip


@pytest.mark.parametrize("column", Columns.EVENT)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_id_changes_with_every_value(column: str, number: int) -> None:
    changed = [row(n, **({column: CHANGES[column]} if n == number else {})) for n in range(20)]
    assert name_of(changed) != name_of(ROWS)


def test_the_id_tells_nothing_from_zero_and_from_empty() -> None:
    names = {
        name_of([row(0, **change)])
        for change in ({"minute": None}, {"minute": 0}, {"query": None}, {"query": ""},
                       {"rating": None})
    }  # fmt: skip
    assert len(names) == 4  # no minute and no query are the same row


def test_values_don_t_run_into_their_neighbours() -> None:
    assert name_of([row(0, user_id="ab"), row(3, user_id="c")]) != name_of(
        [row(0, user_id="a"), row(3, user_id="bc")]
    )


def test_the_id_changes_with_a_missing_or_a_further_event() -> None:
    assert len({name_of(ROWS), name_of(ROWS[1:]), name_of([*ROWS, row(20)])}) == 3


def test_the_id_covers_films_and_people_but_not_when_a_film_was_noticed() -> None:
    base = name_of(ROWS, Films(MOVIES, PEOPLE))
    assert name_of(ROWS, Films(MOVIES[::-1], PEOPLE[::-1])) == base
    assert name_of(ROWS, Films([replace(m, added_at_ms=9) for m in MOVIES], PEOPLE)) == base
    for films in (
        Films(MOVIES), Films(MOVIES[1:], PEOPLE),
        Films([replace(MOVIES[0], title="Brasil"), MOVIES[1]], PEOPLE),
        Films([replace(MOVIES[0], genres=("Comedy",)), MOVIES[1]], PEOPLE),
        Films([replace(MOVIES[0], year=None), MOVIES[1]], PEOPLE),
        Films(MOVIES, [replace(PEOPLE[0], age=45), PEOPLE[1]]),
    ):  # fmt: skip
        assert name_of(ROWS, films) != base


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_file_is_not_read(tmp_path: Path, damage: str) -> None:
    snapshots = Snapshots(str(tmp_path))
    taken = take(snapshots, Store(ROWS))
    file = tmp_path / taken.files[0].path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "remove":
        file.unlink()
    else:
        file.write_bytes(content if damage == "flip" else content[:-1])
    with pytest.raises(SnapshotDamaged):
        snapshots.read(taken)
    again = take(snapshots, Store(ROWS), at_ms=NOON + HOUR)
    assert again.snapshot_id == taken.snapshot_id  # written anew from the store
    assert len(snapshots.read(again)) == 20


def test_a_damaged_manifest_is_not_read(tmp_path: Path) -> None:
    snapshots = Snapshots(str(tmp_path))
    taken = take(snapshots, Store(ROWS))
    for file in (tmp_path / "manifests").iterdir():
        file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(SnapshotDamaged):
        snapshots.find(taken.snapshot_id)
    assert len(snapshots.read(take(snapshots, Store(ROWS)))) == 20


def test_another_store_starts_over_and_leaves_the_old_snapshot_readable(tmp_path: Path) -> None:
    snapshots = Snapshots(str(tmp_path))
    old = take(snapshots, Store(ROWS))
    for others in ([row(n) for n in range(50, 60)], [row(n) for n in range(50, 70)]):
        new = take(snapshots, Store(others))
        assert new.snapshot_id == name_of(others)
        assert len(snapshots.read(new)) == len(others)
    assert len(snapshots.read(old)) == 20


def test_an_unknown_snapshot_is_not_found() -> None:
    snapshots = memory()
    assert snapshots.latest() is None
    with pytest.raises(NotFound):
        snapshots.find("sha256:" + "0" * 64)


def test_a_view_may_leave_events_out() -> None:
    snapshots = memory()
    taken = take(snapshots, Store(ROWS))
    kept = snapshots.read(taken, lambda frame: frame[frame[Columns.USER] != "u1"])
    assert 0 < len(kept) < 20
    assert "u1" not in set(kept[Columns.USER])


def test_nothing_half_written_is_left_beside_the_files(tmp_path: Path) -> None:
    take(Snapshots(str(tmp_path)), Store(ROWS), Films(MOVIES, PEOPLE))
    assert not list(tmp_path.rglob("*.tmp"))
    assert fsspec.filesystem("file").exists(str(tmp_path))
