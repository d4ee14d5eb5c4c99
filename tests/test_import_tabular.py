"""Tables of events: formats, columns, times, and what becomes of broken lines."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands.import_data import summary_lines
from recommender.errors import InvalidField, StoreUnavailable, UnreadableImport
from recommender.import_layouts import ColumnMapping, columns_named
from recommender.schemas import ID_PATTERN
from recommender.types import EventType
from tests.import_world import NOW_MS, FailingStore, ImportWorld

HEADER = "user_id,item_id,rating,timestamp\n"
START_MS = 946_684_800_000


def reasons(world: ImportWorld, path: Path, **mapping: object) -> list[tuple[object, object]]:
    report = world.load(path, **mapping)
    assert report.rejected == len(report.first_rejected)
    return [(r["line"], r["reason"]) for r in report.first_rejected]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_csv_with_usual_names_needs_no_mapping(tmp_path: Path) -> None:
    world = ImportWorld()
    path = write(tmp_path / "a.csv", HEADER + "u1,m1,4.5,2024-05-01T10:00:00\n")
    assert world.load(path).events == 1
    row = world.events().iloc[0]
    assert re.fullmatch("import/[0-9a-f]{12}/0000000002", row["event_id"])
    assert not re.fullmatch(ID_PATTERN, row["event_id"]), "a client could send it"
    assert (row["type"], row["user_id"], row["item_id"], row["rating"]) == ("rate", "u1", "m1", 4.5)
    at = datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert row["timestamp_ms"] == at.timestamp() * 1000
    assert row["received_at_ms"] == NOW_MS


def test_columns_can_be_named_and_lines_without_ratings_are_watches(tmp_path: Path) -> None:
    world = ImportWorld()
    path = write(tmp_path / "a.csv", "who;what;when;min\n7;9;978300760;12\n")
    report = world.load(path, user="who", item="what", timestamp="when", minute="min")
    assert report.events == 1
    row = world.events().iloc[0]
    assert (row["type"], row["user_id"], row["item_id"], row["minute"]) == ("watch", "7", "9", 12)
    assert row["timestamp_ms"] == 978300760000


def test_columns_of_a_first_start_stand_in_one_text() -> None:
    assert columns_named("user=Customer ID, item=product,timestamp=at") == ColumnMapping(
        user="Customer ID", item="product", timestamp="at")


@pytest.mark.parametrize("text", [
    "usr=a", "user", "user=", "user=a,user=b", "", "user=a,", "delimiter=;", "=a",
])
def test_columns_that_are_not_clear_are_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="columns"):
        columns_named(text)


def test_a_position_becomes_a_time(tmp_path: Path) -> None:
    table = pa.table({
        "userID": pa.array([1, 1, 2], pa.int32()),
        "movieID": pa.array([10, 11, 10], pa.int32()),
        "position": pa.array([0, 1, 0], pa.int32()),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "ordered.parquet")
    world = ImportWorld()
    report = world.load(
        tmp_path / "ordered.parquet", user="userID", item="movieID", position="position",
        type=EventType.WATCH, start_ms=START_MS, step_ms=60_000,
    )  # fmt: skip
    assert (report.events, report.rejected) == (3, 0)
    assert list(world.events()["timestamp_ms"]) == [START_MS, START_MS + 60_000, START_MS]
    assert list(world.events()["user_id"]) == ["1", "1", "2"]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".jsonl", ".jsonl.gz", ".parquet"])
def test_every_format_gives_the_same_events(tmp_path: Path, suffix: str) -> None:
    rows = [("u1", "m1", 4.5, 1_700_000_000), ("u2", "m2", 1.0, 1_700_000_001_500)]
    names = ["user_id", "item_id", "rating", "timestamp"]
    path = tmp_path / f"events{suffix}"
    if suffix == ".parquet":
        pd.DataFrame(rows, columns=names).to_parquet(path)
    elif "json" in suffix:
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
        write(path, pack("\n".join(lines) + "\n", suffix))
    else:
        mark = "\t" if suffix == ".tsv" else ","
        text = "\n".join(mark.join(map(str, row)) for row in [tuple(names), *rows])
        write(path, pack(text, suffix))
    world = ImportWorld()
    assert world.load(path).events == 2
    events = world.events()
    assert list(events["user_id"]) == ["u1", "u2"]
    assert list(events["rating"]) == [4.5, 1.0]
    assert list(events["timestamp_ms"]) == [1_700_000_000_000, 1_700_000_001_500]


def pack(text: str, suffix: str) -> bytes:
    return gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode()


def test_broken_lines_are_listed_with_number_and_reason(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        HEADER.encode()
        + b"u1,m1,4,1700000000\n"     # 2 good
        + b"u1,m1,4\n"                # 3
        + b"a b,m1,4,1700000000\n"    # 4
        + b"u1,,4,1700000000\n"       # 5
        + b"u1,m1,7,1700000000\n"     # 6
        + b"u1,m1,nan,1700000000\n"   # 7
        + b"u1,m1,4,yesterday\n"      # 8
        + b"u1,m1,4,-5\n"             # 9
        + b"u1,m1,4,2099-01-01\n"     # 10
        + b"\n"                       # 11 blank
        + b'u1,"m2,4,1700000000\n'    # 12 stray quote
        + b"u\xff,m1,4,1700000000\n"  # 13 no UTF-8
        + b"u9,m9,0.5,1700000000\r\n"  # 14 good
        + b",,,\n",                   # 15
    )  # fmt: skip
    world = ImportWorld()
    assert reasons(world, path) == [
        (3, "3 values, not 4"),
        (4, "user_id: 'a b' is not an id"),
        (5, "item_id: missing"),
        (6, "rating: '7' is not 0.5 to 5 in steps of 0.5"),
        (7, "rating: 'nan' is not 0.5 to 5 in steps of 0.5"),
        (8, "timestamp: 'yesterday' is not a time"),
        (9, "timestamp: '-5' lies before 1970"),
        (10, "timestamp: '2099-01-01' lies more than 5 min in the future"),
        (12, "unexpected end of data"),
        (13, "not UTF-8"),
        (15, "user_id: missing"),
    ]
    assert list(world.events()["user_id"]) == ["u1", "u9"]
    assert [i[-3:] for i in world.events()["event_id"]] == ["002", "014"]


def test_broken_json_lines_are_listed_with_number_and_reason(tmp_path: Path) -> None:
    good = {"user_id": 1, "item_id": "m1", "rating": 4, "timestamp": "2024-05-01T10:00:00Z"}
    lines = [
        json.dumps(good), "{", "[1]", "", json.dumps(good | {"user_id": True}),
        json.dumps(good | {"item_id": 1.5}), json.dumps(good | {"rating": True}),
        json.dumps(good | {"item_id": ["m1"]}), json.dumps({**good, "timestamp": None}),
        json.dumps(good | {"user_id": 2}),
    ]  # fmt: skip
    world = ImportWorld()
    assert reasons(world, write(tmp_path / "a.jsonl", "\n".join(lines))) == [
        (2, "not a JSON object"),
        (3, "not a JSON object"),
        (5, "user_id: '!True' is not an id"),
        (6, "item_id: '!1.5' is not an id"),
        (7, "rating: '!True' is not 0.5 to 5 in steps of 0.5"),
        (8, "item_id: \"!['m1']\" is not an id"),
        (9, "timestamp: missing"),
    ]
    assert list(world.events()["user_id"]) == ["1", "2"]


def test_a_hundred_broken_lines_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + "u1,m1,9,1700000000\n" * 250 + "u1,m1,4,1700000000\n")
    report = ImportWorld().load(path)
    assert (report.events, report.rejected, len(report.first_rejected)) == (1, 250, 100)
    assert [r["line"] for r in report.first_rejected] == list(range(2, 102))


def test_line_numbers_hold_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.line_blocks.line_blocks.__defaults__", (64,))
    lines = [f"u{n},m{n},{9 if n % 7 == 0 else 4},1700000000\n" for n in range(2, 60)]
    world = ImportWorld()
    report = world.load(write(tmp_path / "a.csv", HEADER + "".join(lines)))
    assert [r["line"] for r in report.first_rejected] == [n for n in range(2, 60) if n % 7 == 0]
    ids = [int(i.rpartition("/")[2]) for i in world.events()["event_id"]]
    assert [f"u{n}" for n in ids] == list(world.events()["user_id"])


def test_a_byte_order_mark_and_quoted_values_are_read(tmp_path: Path) -> None:
    text = '"user_id","item_id","rating","timestamp"\n"u1","m1","4","2024-05-01"\n'
    world = ImportWorld()
    assert world.load(write(tmp_path / "a.csv", b"\xef\xbb\xbf" + text.encode())).events == 1


def test_columns_that_cannot_be_found_are_told_with_the_option_to_give(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "who,item,timestamp\n1,2,3\n")
    with pytest.raises(UnreadableImport, match=r"a\.csv: no column for the user; give --user"):
        ImportWorld().load(path)
    with pytest.raises(UnreadableImport, match=r"no column 'whom' for the user; there are: who"):
        ImportWorld().load(path, user="whom")
    timeless = write(tmp_path / "b.csv", "user,item\n1,2\n")
    with pytest.raises(UnreadableImport, match="--timestamp or --position"):
        ImportWorld().load(timeless)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.csv.gz", "a.xlsx"])
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableImport, match=name):
        ImportWorld().load(write(tmp_path / name, b""))
    with pytest.raises(UnreadableImport, match=name):
        ImportWorld().load(write(tmp_path / name, b"\x00\xff\x1f\x8b"))


def test_a_column_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user,item,rating,timestamp,user\n1,2,3,4,5\n")
    with pytest.raises(UnreadableImport, match="'user' stands there twice"):
        ImportWorld().load(path)


def test_a_file_that_is_cut_off_is_named_and_its_readable_lines_can_be_had_again(
    tmp_path: Path,
) -> None:
    whole = gzip.compress((HEADER + "u1,m1,4,1700000000\n" * 1000).encode())
    world = ImportWorld()
    with pytest.raises(UnreadableImport, match=r"a\.csv\.gz"):
        world.load(write(tmp_path / "a.csv.gz", whole[:-20]))
    assert world.imports.rows == {}
    assert world.load(write(tmp_path / "a.csv.gz", whole)).events == 1000


TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]


@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_parquet_columns_may_have_any_type_that_can_hold_their_values(
    tmp_path: Path, text: pa.DataType
) -> None:
    table = pa.table({
        "user": pa.array(["a", "b"]).cast(text),
        "item": pa.array([1.0, None], pa.float64()),
        "rating": pa.array([3, 4], pa.int8()),
        "timestamp": pa.array([10**18, 10**18], pa.timestamp("ns", tz="Europe/Berlin")),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    world = ImportWorld()
    assert reasons(world, tmp_path / "a.parquet") == [(2, "item_id: missing")]
    row = world.events().iloc[0]
    assert (row["user_id"], row["item_id"], row["timestamp_ms"]) == ("a", "1", 10**12)


def test_an_import_without_one_good_line_is_not_remembered(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + "u1,m1,40,1700000000\n")
    world = ImportWorld()
    assert world.load(path).empty
    assert world.imports.rows == {}


def test_films_and_people_can_lie_beside_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + "u1,m1,4,1700000000\n")
    movies = write(
        tmp_path / "films.jsonl",
        '{"movie_id": "m1", "title": "Maze, The (1995)", "genres": ["Drama"]}\nnonsense\n',
    )
    people = write(tmp_path / "people.csv", "user_id,sex,age,job\nu1,F,33,nurse\n")
    world = ImportWorld()
    report = world.load(path, movies=movies, people=people)
    assert (report.movies, report.people, report.events) == (1, 1, 1)
    assert [(r["file"], r["line"]) for r in report.first_rejected] == [("films.jsonl", 2)]
    movie = world.catalogue.movie("m1")
    assert movie is not None and (movie.title, movie.year, movie.genres) == (
        "The Maze", 1995, ("Drama",)
    )  # fmt: skip
    assert world.catalogue.people()[0].gender == "F"


def test_types_can_stand_in_a_column(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "user,item,rating,time,kind\nu1,m1,4,1700000000,rate\nu1,m1,,1700000001,watch\n"
        "u1,m2,,1700000002,view\nu1,m2,,1700000003,sold\nu1,m2,,1700000003,rate\n",
    )
    world = ImportWorld()
    assert reasons(world, path, type_column="kind") == [
        (5, "type: 'sold' is not one of rate, watch, view, search, undo"),
        (6, "rating: missing"),
    ]
    assert list(world.events()["type"]) == ["rate", "watch", "view"]


def test_ratings_that_begin_late_in_json_lines_are_not_dropped_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.line_blocks.line_blocks.__defaults__", (64,))
    watch = '{"user_id":"u","item_id":"m","timestamp":1700000000}\n'
    late = '{"user_id":"u","item_id":"n","timestamp":1700000000,"rating":4}\n'
    with pytest.raises(UnreadableImport, match="line 9: ratings begin here"):
        ImportWorld().load(write(tmp_path / "a.jsonl", watch * 8 + late))


def test_a_file_is_refused_when_its_events_are_in_with_other_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user,item,old,new,time\nu1,m1,1,5,1700000000\n")
    world = ImportWorld()
    assert world.load(path, rating="old").events == 1
    with pytest.raises(UnreadableImport, match=r"a\.csv: 1 events of it .* --again .*rating = new"):
        world.load(path, rating="new")
    assert world.store.counts()["events"] == 1
    assert world.load(path, rating="new", again=True).events == 1
    assert list(world.events()["rating"]) == [1.0, 5.0]
    assert world.events()["event_id"].is_unique
    for column in ("old", "new"):
        assert world.load(path, rating=column).already_imported == ["a.csv"]


@pytest.mark.parametrize(
    "other",
    [{"type": EventType.VIEW}, {"start_ms": START_MS + 1}, {"step_ms": 1}, {"minute": "new"}],
)
def test_all_that_decides_about_an_event_makes_it_another_import(
    tmp_path: Path, other: dict[str, object]
) -> None:
    path = write(tmp_path / "a.csv", "user,item,new,place\nu1,m1,5,1\n")
    world = ImportWorld()
    settings = {"position": "place", "start_ms": START_MS}
    world.load(path, **settings)
    with pytest.raises(UnreadableImport, match="--again"):
        world.load(path, **settings | other)
    assert world.load(path, again=True, **settings | other).events == 1


def test_an_import_with_wrong_columns_counts_also_when_it_was_killed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user,item,old,new,time\nu1,m1,1,5,1700000000\n")
    world = ImportWorld(FailingStore(frames=0))
    with pytest.raises(StoreUnavailable):
        world.load(path, rating="old")
    world.store.left = -1  # type: ignore[attr-defined]
    with pytest.raises(UnreadableImport, match="--again"):
        world.load(path, rating="new")
    assert world.load(path, rating="old").events == 1


@pytest.mark.parametrize(
    "header",
    ["User ID,Movie-Id,Rating,Timestamp", "USERID,filmId,Stars,Date", "user,film,score,ts",
     "userId,movieId,RATING,Created_At"],
)
def test_usual_names_are_found_in_any_case(tmp_path: Path, header: str) -> None:
    world = ImportWorld()
    report = world.load(write(tmp_path / "a.csv", f"{header}\nu1,m1,4.5,2024-05-01\n"))
    assert (report.events, report.kind) == (1, "taken as ratings")
    assert world.events().iloc[0]["rating"] == 4.5
    names = header.split(",")
    told = dict(zip(("user", "item", "rating", "timestamp"), names, strict=True))
    assert report.columns == told
    assert f"rating = {names[2]}" in "\n".join(summary_lines(report))


def test_two_columns_of_one_meaning_are_not_guessed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user,item,Rating,RATING,time\nu1,m1,1,5,1700000000\n")
    with pytest.raises(UnreadableImport, match="'Rating' and 'RATING' may both be the rating"):
        ImportWorld().load(path)
    assert ImportWorld().load(path, rating="RATING").events == 1


def test_a_table_without_ratings_is_told_to_be_watches(tmp_path: Path) -> None:
    report = ImportWorld().load(write(tmp_path / "a.csv", "user,item,time\nu1,m1,1700000000\n"))
    assert "no rating column: taken as watches" in "\n".join(summary_lines(report))


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.float64()], ids=str)
def test_dates_and_years_as_numbers_are_no_seconds(tmp_path: Path, kind: pa.DataType) -> None:
    times = [20200115, 19991231, 2019, 1900, 20201315, 20200100, 18990101, 2101, 1_700_000_000]
    n = len(times)
    table = pa.table({
        "user": ["u"] * n, "item": ["m"] * n, "rating": [4] * n,
        "timestamp": pa.array(times, pa.int64()).cast(kind),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    world = ImportWorld()
    told = reasons(world, tmp_path / "a.parquet")
    assert [line for line, _ in told] == [1, 2, 3, 4]
    for _, reason in told:
        assert str(reason).startswith("timestamp: ") and "write it like 2020-01-15" in str(reason)
    assert list(world.events()["timestamp_ms"]) == [t * 1000 for t in times[4:]]


def test_days_in_a_column_of_dates_are_read(tmp_path: Path) -> None:
    days = pa.array([datetime(2020, 1, 15, tzinfo=UTC).date()])
    table = pa.table({"user": ["u"], "item": ["m"], "rating": [4], "date": days})
    pq.write_table(table, tmp_path / "a.parquet")
    world = ImportWorld()
    world.load(tmp_path / "a.parquet")
    at = datetime(2020, 1, 15, tzinfo=UTC).timestamp() * 1000
    assert list(world.events()["timestamp_ms"]) == [at]
