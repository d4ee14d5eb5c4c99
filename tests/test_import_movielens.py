"""MovieLens folders: films, people and ratings, each part once."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from commands.import_data import summary_lines
from recommender import import_titles
from recommender.errors import StoreUnavailable, UnreadableImport
from recommender.import_layouts import Layout, detect_layout
from recommender.import_titles import split_title
from recommender.types import Movie, Person
from tests.import_world import FailingStore, ImportWorld

GENRES_100K = ["unknown", "Action", "Comedy", "Drama"]


@pytest.fixture
def ml_100k(tmp_path: Path) -> Path:
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    (folder / "u.data").write_text("1\t10\t4\t881250949\n2\t11\t1\t881250950\n")
    (folder / "u.genre").write_text(
        "".join(f"{g}|{n}\n" for n, g in enumerate(GENRES_100K)) + "\n"
    )
    (folder / "u.item").write_bytes(
        "10|Matin\u00e9e, La (1993)|01-Jan-1993||http://x|0|0|1|1\n"
        "11|unknown||||1|0|0|0\n".encode("latin-1")
    )
    (folder / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|94043\n")
    return folder


@pytest.fixture
def ml_1m(tmp_path: Path) -> Path:
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    (folder / "ratings.dat").write_text("1::10::5::978300760\n1::11::3::978302109\n")
    (folder / "movies.dat").write_bytes(
        "10::Maze, The (1995)::Animation|Comedy\n11::Caf\u00e9 (1990)::Drama\n".encode("latin-1")
    )
    (folder / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")
    return folder


@pytest.fixture
def ml_latest(tmp_path: Path) -> Path:
    folder = tmp_path / "ml-latest"
    folder.mkdir()
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,10,4.5,1112486027\n")
    (folder / "movies.csv").write_text(
        'movieId,title,genres\n10,"Maze, The (1995)",Comedy|Drama\n'
        "11,Nameless (2001),(no genres listed)\n",
        encoding="utf-8",
    )
    (folder / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,10,odd,1\n")
    return folder


def test_ml_100k_gives_films_people_and_ratings(ml_100k: Path) -> None:
    world = ImportWorld()
    report = world.load(ml_100k)
    assert (report.layout, report.movies, report.people, report.events) == ("ml-100k", 2, 2, 2)
    assert report.missing == () and report.rejected == 0
    assert world.catalogue.movie("10") == Movie("10", "La Matin\u00e9e", 1993, ("Comedy", "Drama"))
    assert world.catalogue.movie("11") == Movie("11", "unknown", None, ())
    assert world.catalogue.people() == [
        Person("1", "M", 24, "technician"), Person("2", "F", 53, "other")
    ]  # fmt: skip
    events = world.events()
    assert list(events["type"]) == ["rate", "rate"]
    assert list(events["rating"]) == [4.0, 1.0]
    assert list(events["timestamp_ms"]) == [881250949000, 881250950000]


def test_ml_1m_gives_films_people_and_ratings(ml_1m: Path) -> None:
    world = ImportWorld()
    report = world.load(ml_1m)
    assert (report.layout, report.movies, report.people, report.events) == ("ml-1m", 2, 2, 2)
    assert world.catalogue.movie("10") == Movie("10", "The Maze", 1995, ("Animation", "Comedy"))
    assert world.catalogue.movie("11") == Movie("11", "Caf\u00e9", 1990, ("Drama",))
    assert world.catalogue.people()[0] == Person("1", "F", 1, "K-12 student")
    assert list(world.events()["timestamp_ms"]) == [978300760000, 978302109000]


def test_ml_latest_gives_films_and_ratings_and_has_no_people(ml_latest: Path) -> None:
    world = ImportWorld()
    report = world.load(ml_latest)
    assert (report.layout, report.movies, report.people, report.events) == ("ml-latest", 2, 0, 1)
    assert report.missing == ()
    assert world.catalogue.movie("10") == Movie("10", "The Maze", 1995, ("Comedy", "Drama"))
    assert world.catalogue.movie("11") == Movie("11", "Nameless", 2001, ())


def test_a_missing_part_is_named_and_the_rest_is_imported(ml_1m: Path) -> None:
    (ml_1m / "ratings.dat").unlink()
    world = ImportWorld()
    report = world.load(ml_1m)
    assert (report.movies, report.people, report.events) == (2, 2, 0)
    assert report.missing == ("ratings.dat",)


def test_a_part_that_arrives_later_is_imported_then(ml_1m: Path) -> None:
    ratings = (ml_1m / "ratings.dat").read_bytes()
    (ml_1m / "ratings.dat").unlink()
    world = ImportWorld()
    world.load(ml_1m)
    (ml_1m / "ratings.dat").write_bytes(ratings)
    report = world.load(ml_1m)
    assert report.events == 2 and report.movies == 0
    assert report.already_imported == ["movies.dat", "users.dat"]


def test_nothing_is_imported_twice(ml_100k: Path) -> None:
    world = ImportWorld()
    world.load(ml_100k)
    before = world.store.state_hash()
    report = world.load(ml_100k)
    assert (report.events, report.movies, report.people, report.duplicates) == (0, 0, 0, 0)
    assert report.already_imported == ["u.item", "u.user", "u.data"]
    assert not report.empty
    assert world.store.state_hash() == before


def test_an_import_that_was_killed_is_completed_by_the_next(
    ml_1m: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{user}::{item}::3::{978300760 + item}\n" for user in (1, 2) for item in range(30)]
    (ml_1m / "ratings.dat").write_text("".join(lines))
    monkeypatch.setattr("commands.import_source.FRAME_ROWS", 7)
    whole = ImportWorld()
    whole.load(ml_1m)
    killed = ImportWorld(FailingStore(frames=4))
    with pytest.raises(StoreUnavailable):
        killed.load(ml_1m)
    assert killed.store.counts()["events"] == 28
    killed.store.left = -1  # type: ignore[attr-defined]
    report = killed.load(ml_1m)
    assert (report.duplicates, report.events) == (28, 32)
    assert killed.store.state_hash() == whole.store.state_hash()


def test_broken_lines_of_every_part_are_named_and_the_good_ones_are_in(ml_1m: Path) -> None:
    (ml_1m / "ratings.dat").write_text("1::10::5::978300760\nrubbish\n1::11::9::978302109\n\n")
    (ml_1m / "movies.dat").write_text("10::Maze, The (1995)::Comedy\n11\n a b::X (1990)::Drama\n")
    (ml_1m / "users.dat").write_text("1::F::1::10::48067\n2::M::old::16::70072\n")
    world = ImportWorld()
    report = world.load(ml_1m)
    assert (report.events, report.movies, report.people) == (1, 1, 1)
    assert report.rejected == 5
    assert [(r["file"], r["line"], r["reason"]) for r in report.first_rejected] == [
        ("movies.dat", 2, "title: missing"),
        ("movies.dat", 3, "item_id: 'a b' is not an id"),
        ("users.dat", 2, "age: 'old' is not a whole number"),
        ("ratings.dat", 2, "1 values, not 4"),
        ("ratings.dat", 3, "rating: '9' is not 0.5 to 5 in steps of 0.5"),
    ]


def test_a_layout_is_told_by_its_files() -> None:
    assert detect_layout(["u.data", "README"]) is Layout.ML_100K
    assert detect_layout(["movies.dat", "users.dat"]) is Layout.ML_1M
    assert detect_layout(["ratings.csv", "movies.csv", "links.csv"]) is Layout.ML_LATEST
    assert detect_layout(["events.csv"]) is None


def test_a_folder_without_a_known_layout_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UnreadableImport, match=str(tmp_path)):
        ImportWorld().load(tmp_path)
    with pytest.raises(UnreadableImport, match="no such file"):
        ImportWorld().load(tmp_path / "nothing")


def test_u_item_without_its_genres_is_told_and_the_rest_is_imported(ml_100k: Path) -> None:
    (ml_100k / "u.genre").unlink()
    world = ImportWorld()
    report = world.load(ml_100k)
    assert (report.events, report.people, report.movies) == (2, 2, 0)
    assert [part.startswith("u.item: ") and "u.genre" in part for part in report.unreadable] == [
        True
    ]
    assert "left out: u.item" in "\n".join(summary_lines(report))


def test_an_empty_list_of_films_is_told_and_the_ratings_are_imported(ml_latest: Path) -> None:
    (ml_latest / "movies.csv").write_text("")
    report = ImportWorld().load(ml_latest)
    assert (report.events, report.movies) == (1, 0)
    assert len(report.unreadable) == 1 and "movies.csv" in report.unreadable[0]


def test_films_asked_for_by_name_must_be_readable(ml_latest: Path, tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text("")
    world = ImportWorld()
    with pytest.raises(UnreadableImport, match=r"films\.csv"):
        world.load(ml_latest, movies=tmp_path / "films.csv")
    assert world.store.counts()["events"] == 0


def test_one_line_of_latin_1_leaves_the_other_titles_as_they_are(ml_latest: Path) -> None:
    (ml_latest / "movies.csv").write_bytes(
        b"movieId,title,genres\n" + "10,Am\u00e9lie (2001),Comedy\n".encode()
        + "11,Caf\u00e9 (1990),Drama\n".encode("latin-1") + "12,\u00dcber (1999),Drama\n".encode()
    )
    world = ImportWorld()
    assert world.load(ml_latest).movies == 3
    titles = [world.catalogue.movie(item_id).title for item_id in ("10", "11", "12")]  # type: ignore[union-attr]
    assert titles == ["Am\u00e9lie", "Caf\u00e9", "\u00dcber"]


@pytest.mark.parametrize(
    ("written", "title", "year"),
    [
        ("Toy Box (1995)", "Toy Box", 1995),
        ("Grid, The (1999)", "The Grid", 1999),
        ("Hunt for Red, White and Blue, A (1990)", "A Hunt for Red, White and Blue", 1990),
        ("Boredom, L' (1998)", "L'Boredom", 1998),
        ("Land of Lost Toys, The (Pays des jouets, Le) (1995)",
         "The Land of Lost Toys (Le Pays des jouets)", 1995),
        ("Seven (a.k.a. Sept, Les) (1995)", "Seven (a.k.a. Les Sept)", 1995),
        ("Before Time III: Giving (1995) (V)", "Before Time III: Giving", 1995),
        ("Two Friends (1986) ", "Two Friends", 1986),
        ("Long Show, The (2009\u20132011)", "The Long Show", 2009),
        ("Running Show (2015\u2013 )", "Running Show", 2015),
        ("1984 (1956)", "1984", 1956),
        ("2001", "2001", None),
        ("Live, Love, Die", "Live, Love, Die", None),
        ("(1999)", "(1999)", 1999),
        ("unknown", "unknown", None),
        ("Terminal (0007)", "Terminal (0007)", None),
    ],
)  # fmt: skip
def test_a_title_gets_its_article_in_front_and_loses_its_year(
    written: str, title: str, year: int | None
) -> None:
    assert split_title(written) == (title, year)


def test_the_examples_of_the_documentation_hold() -> None:
    assert doctest.testmod(import_titles).failed == 0
