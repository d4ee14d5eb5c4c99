"""What every catalogue promises, on each kind of database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.catalogue import SqlCatalogue
from adapters.event_store import SqlEventStore
from adapters.imports import SqlImports
from recommender.ports import Catalogue, EventStore
from recommender.types import Movie, Person
from tests.databases_of_tests import new_database
from tests.sample_events import NOW_MS, frame_of, rating, undo, watch


@dataclass
class World:
    catalogue: Catalogue
    store: EventStore


def sql(folder: Path, kind: str) -> World:
    engine = new_database(folder, "store", kind)
    return World(SqlCatalogue(engine), SqlEventStore(engine))

STAR_WARS = Movie("260", "Star Wars: Episode IV - A New Hope", 1977, ("Action", "Sci-Fi"), 5)
EMPIRE = Movie("1196", "Star Wars: Episode V", 1980, ("Action",), 6)
AMELIE = Movie("4973", "Le Fabuleux Destin d'Amélie Poulain", 2001, ("Comedy",), 7)


@pytest.fixture
def world(tmp_path: Path, kind: str) -> World:
    return sql(tmp_path, kind)


def test_films_are_added_found_and_listed(world: World) -> None:
    assert world.catalogue.add_movies([STAR_WARS, EMPIRE, AMELIE]) == 3
    assert world.catalogue.movie("260") == STAR_WARS
    assert world.catalogue.movie("nope") is None
    assert sorted(world.catalogue.movies(), key=lambda m: m.title) == [AMELIE, STAR_WARS, EMPIRE]


def test_only_new_and_changed_films_count(world: World) -> None:
    world.catalogue.add_movies([STAR_WARS, EMPIRE])
    assert world.catalogue.add_movies([STAR_WARS, EMPIRE, AMELIE]) == 1
    changed = replace(EMPIRE, year=1981)
    assert world.catalogue.add_movies([STAR_WARS, changed]) == 1
    assert world.catalogue.movie("1196") == changed


def test_an_unknown_film_gets_a_placeholder_that_a_film_completes(world: World) -> None:
    world.store.apply(frame_of([rating("a", item="260")]))
    placeholder = world.catalogue.movie("260")
    assert placeholder is not None
    assert (placeholder.placeholder, placeholder.title) == (True, "260")
    assert world.catalogue.add_movies([STAR_WARS]) == 1
    found = world.catalogue.movie("260")
    assert found is not None
    assert (found.title, found.year, found.placeholder) == (STAR_WARS.title, 1977, False)


def test_a_placeholder_never_replaces_a_film(world: World) -> None:
    world.catalogue.add_movies([STAR_WARS])
    assert world.catalogue.add_movies([Movie("260", "260", placeholder=True)]) == 0
    world.store.apply(frame_of([rating("a", item="260")]))
    assert world.catalogue.movie("260") == STAR_WARS


def test_the_version_grows_with_every_change_and_only_then(world: World) -> None:
    versions = [world.catalogue.version()]
    world.catalogue.add_movies([STAR_WARS])
    versions.append(world.catalogue.version())
    world.store.apply(frame_of([rating("a", item="unknown")]))
    versions.append(world.catalogue.version())
    assert versions == sorted(set(versions))
    world.catalogue.add_movies([STAR_WARS])
    world.store.apply(frame_of([rating("b", item="unknown")]))
    assert world.catalogue.version() == versions[-1]


def test_people_are_added_and_replaced(world: World) -> None:
    world.catalogue.add_people([Person("u1", "F", 25, "artist"), Person("u2")])
    world.catalogue.add_people([Person("u1", "F", 26, None)])
    people = sorted(world.catalogue.people(), key=lambda p: p.user_id)
    assert people == [Person("u1", "F", 26, None), Person("u2")]


def test_a_search_needs_every_word_in_any_case(world: World) -> None:
    world.catalogue.add_movies([STAR_WARS, EMPIRE, AMELIE])
    assert {m.item_id for m in world.catalogue.search("WARS star", 10)} == {"260", "1196"}
    assert [m.item_id for m in world.catalogue.search("wars hope", 10)] == ["260"]
    assert world.catalogue.search("wars amelie", 10) == []


def test_a_search_puts_the_most_interacted_first(world: World) -> None:
    world.catalogue.add_movies([STAR_WARS, EMPIRE])
    world.store.apply(frame_of([
        rating("a", item="260"), watch("b", item="1196"), rating("c", "u2", "1196"),
    ]))  # fmt: skip
    assert [m.item_id for m in world.catalogue.search("star", 10)] == ["1196", "260"]
    assert [m.item_id for m in world.catalogue.search("star", 1)] == ["1196"]


def test_a_search_may_be_kept_to_a_genre(world: World) -> None:
    world.catalogue.add_movies([STAR_WARS, EMPIRE, AMELIE])
    assert [m.item_id for m in world.catalogue.search("star", 10, genre="Sci-Fi")] == ["260"]
    assert [m.item_id for m in world.catalogue.search("", 10, genre="Comedy")] == ["4973"]


def test_ratings_are_counted_by_value_and_watches_apart(world: World) -> None:
    world.catalogue.add_movies([STAR_WARS, EMPIRE])
    world.store.apply(frame_of([
        rating("a", "u1", "260", rating=5.0), rating("b", "u2", "260", rating=5.0),
        rating("c", "u3", "260", rating=0.5), watch("d", "u1", "260"),
        rating("e", "u1", "1196", rating=3.0), rating("f", "u1", "1196", rating=4.0,
                                                      timestamp_ms=NOW_MS + 1),
    ]))  # fmt: skip
    counts = world.catalogue.rating_counts(["260", "1196", "none"])
    assert counts["260"].by_rating == {5.0: 2, 0.5: 1}
    assert (counts["260"].ratings, counts["260"].watches) == (3, 1)
    assert counts["260"].mean == pytest.approx(10.5 / 3)
    assert counts["1196"].by_rating == {4.0: 1}
    assert (counts["none"].ratings, counts["none"].mean) == (0, None)


def test_counts_follow_what_is_applied_between_two_looks(world: World) -> None:
    world.catalogue.add_movies([STAR_WARS, EMPIRE])
    world.store.apply(frame_of([rating("a", "u1", "260", rating=5.0)]))
    assert world.catalogue.rating_counts(["260"])["260"].by_rating == {5.0: 1}
    world.store.apply(frame_of([rating("b", "u2", "260", rating=4.0), rating("c", "u2", "1196")]))
    assert world.catalogue.rating_counts(["260"])["260"].by_rating == {5.0: 1, 4.0: 1}
    world.store.apply(frame_of([undo("d", "u1", "260", timestamp_ms=NOW_MS + 1)]))
    counts = world.catalogue.rating_counts(["260", "1196"])
    assert counts["260"].by_rating == {4.0: 1} and counts["1196"].ratings == 1


def test_what_was_taken_back_is_not_counted(world: World) -> None:
    world.catalogue.add_movies([STAR_WARS, EMPIRE])
    world.store.apply(frame_of([
        rating("a", "u1", "260", rating=5.0), rating("b", "u2", "260", rating=1.0),
        watch("c", "u2", "260"), rating("d", "u3", "1196"), watch("e", "u3", "1196"),
        undo("u", "u2", "260", timestamp_ms=NOW_MS + 1), undo("v", "u9", "1196"),
    ]))  # fmt: skip
    counts = world.catalogue.rating_counts(["260", "1196"])
    assert (counts["260"].by_rating, counts["260"].watches) == ({5.0: 1}, 0)
    assert counts["260"].mean == 5.0
    assert (counts["1196"].by_rating, counts["1196"].watches) == ({4.0: 1}, 1)
    assert [m.item_id for m in world.catalogue.search("star", 10)] == ["1196", "260"]


def test_an_undo_puts_no_film_into_the_catalogue(world: World) -> None:
    version = world.catalogue.version()
    world.store.apply(frame_of([undo("u", item="unknown")]))
    assert world.catalogue.movie("unknown") is None
    assert world.catalogue.version() == version
    world.store.apply(frame_of([rating("a", item="unknown", timestamp_ms=NOW_MS - 1)]))
    assert world.catalogue.movie("unknown") is not None


# --- what only a database can show


def test_another_process_s_change_is_seen(tmp_path: Path, kind: str) -> None:
    ours, theirs = sql(tmp_path, kind).catalogue, sql(tmp_path, kind).catalogue
    assert ours.movies() == []
    version = ours.version()
    theirs.add_movies([STAR_WARS])
    assert ours.version() > version
    assert ours.movies() == [STAR_WARS]
    assert ours.search("hope", 5) == [STAR_WARS]


def test_accents_and_odd_titles_are_kept_and_found(tmp_path: Path, kind: str) -> None:
    catalogue = sql(tmp_path, kind).catalogue
    odd = Movie("x", 'Quote " \\ % _ 100%', None, ('A "b"', "ü"))
    catalogue.add_movies([AMELIE, odd])
    assert catalogue.search("AMÉLIE", 5) == [AMELIE]
    assert catalogue.search('100% "', 5) == [odd]
    assert catalogue.search("%", 5) == [odd]
    assert catalogue.movies() == [AMELIE, odd]


def test_a_completed_placeholder_keeps_the_time_it_was_added(tmp_path: Path, kind: str) -> None:
    world = sql(tmp_path, kind)
    world.store.apply(frame_of([rating("a", item="260"), rating("b", user="u2", item="260",
                                                               received_at_ms=NOW_MS - 9)]))
    world.catalogue.add_movies([STAR_WARS])
    found = world.catalogue.movie("260")
    assert found is not None
    assert found.added_at_ms == NOW_MS - 9


def test_a_broad_search_ranks_by_counts_that_are_not_older_than_allowed(
    tmp_path: Path, kind: str
) -> None:
    now = [0.0]
    engine = new_database(tmp_path, "store", kind)
    catalogue = SqlCatalogue(engine, counts_kept_s=60, clock_s=lambda: now[0])
    store = SqlEventStore(engine)
    catalogue.add_movies([Movie(f"m{i:03}", f"Film {i}") for i in range(100)])
    store.apply(frame_of([rating("a", item="m050")]))
    assert [m.item_id for m in catalogue.search("film", 2)] == ["m050", "m000"]
    store.apply(frame_of([rating("b", "u1", "m070"), rating("c", "u2", "m070")]))
    now[0] += 60
    assert [m.item_id for m in catalogue.search("film", 2)] == ["m070", "m050"]


def test_an_import_is_recorded_once(tmp_path: Path, kind: str) -> None:
    imports = SqlImports(new_database(tmp_path, "store", kind))
    assert not imports.finished("sha256:1")
    imports.record("sha256:1", "ml-100k", 100_000, 3, NOW_MS)
    imports.record("sha256:1", "ml-100k", 100_000, 3, NOW_MS)
    assert imports.finished("sha256:1")
    assert not imports.finished("sha256:2")
