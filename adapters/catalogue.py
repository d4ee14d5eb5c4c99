"""The films of the catalogue, and what imports told about people (`ports.Catalogue`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, bindparam, func, select, text

from adapters.bulk_insert import ColumnQuery, bulk_insert
from adapters.database import reading, writing
from adapters.erased_people import erased_until
from adapters.postgresql_engine import Turn, wait_for_turn
from adapters.rating_counts import KeptRatingCounts
from adapters.tables import catalogue_changes, interactions, movies, people
from recommender.types import Movie, Person, RatingCounts

_MOVIE_COLUMNS = ("item_id", "title", "year", "genres", "added_at_ms", "placeholder")
_PERSON_COLUMNS = ("user_id", "gender", "age", "occupation")
# A film completes a placeholder, never the other way round, and keeps the time it was added.
_COMPLETE = """
    ON CONFLICT (item_id) DO UPDATE
    SET title = excluded.title, year = excluded.year, genres = excluded.genres,
        placeholder = excluded.placeholder
    WHERE (movies.placeholder OR NOT excluded.placeholder)
      AND (movies.title <> excluded.title OR movies.genres <> excluded.genres
           OR movies.placeholder <> excluded.placeholder
           OR coalesce(movies.year, -1) <> coalesce(excluded.year, -1))
"""
_REPLACE = """
    ON CONFLICT (user_id) DO UPDATE
    SET gender = excluded.gender, age = excluded.age, occupation = excluded.occupation
"""
_NOTE_CHANGE = text("""
    INSERT INTO catalogue_changes (name, version) VALUES ('catalogue', 1)
    ON CONFLICT (name) DO UPDATE SET version = catalogue_changes.version + 1
""")

_MOVIES = select(*(movies.c[name] for name in _MOVIE_COLUMNS))
_ALL_MOVIES = ColumnQuery(_MOVIES)
_ONE_MOVIE = _MOVIES.where(movies.c.item_id == bindparam("item"))
_PEOPLE = ColumnQuery(select(*(people.c[name] for name in _PERSON_COLUMNS)))
_VERSION = select(catalogue_changes.c.version)
_TOUCHED = select(interactions.c.item_id, func.count().label("number")).group_by(
    interactions.c.item_id
)
_TOUCHED_ALL = ColumnQuery(_TOUCHED)
_TOUCHED_SOME = ColumnQuery(
    _TOUCHED.where(interactions.c.item_id.in_(bindparam("items", expanding=True)))
)
_COUNTED_SINGLY = 50


def note_change(connection: Connection) -> None:
    """Make the version of the catalogue grow; part of the transaction that changes it."""
    connection.execute(_NOTE_CHANGE)


@dataclass(frozen=True, slots=True)
class _Listing:
    """The catalogue in memory as it was at `version`; `folded[i]` is the title of `movies[i]`.

    `of_genre` gives places in `movies`. Titles and genres have upper and lower case as one.
    """

    version: int
    movies: tuple[Movie, ...]
    folded: tuple[str, ...]
    of_genre: dict[str, list[int]]

    def matching(self, words: Sequence[str], genre: str | None) -> list[Movie]:
        """Films whose title holds all words, of the genre if one is given."""
        every: Sequence[int] = range(len(self.movies))
        places = every if genre is None else self.of_genre.get(genre, ())
        for word in words:
            places = [at for at in places if word in self.folded[at]]
        return [self.movies[at] for at in places]


class SqlCatalogue:
    """Films and people in the store. The films are kept in memory until their version grows.

    A search that finds many films ranks them by interactions counted at most `counts_kept_s`
    ago: counting a million takes 50 ms.
    """

    def __init__(
        self,
        engine: Engine,
        counts_kept_s: float = 60.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._counts_kept_s = counts_kept_s
        self._clock_s = clock_s
        self._ratings = KeptRatingCounts(engine, counts_kept_s, clock_s)
        self._kept: _Listing | None = None
        self._counts: tuple[float, dict[str, int]] | None = None

    def add_movies(self, movies: Iterable[Movie]) -> int:
        """As `ports.Catalogue.add_movies`."""
        rows = {m.item_id: _movie_row(m) for m in movies}
        with writing(self._engine) as connection:
            wait_for_turn(connection, Turn.APPLYING)
            changed = _upsert_movies(connection, list(rows.values()))
            if changed:
                note_change(connection)
        return changed

    def add_people(self, people: Iterable[Person]) -> int:
        """As `ports.Catalogue.add_people`."""
        rows = {p.user_id: (p.user_id, p.gender, p.age, p.occupation) for p in people}
        with writing(self._engine) as connection:
            wait_for_turn(connection, Turn.APPLYING)
            for erased in erased_until(connection, rows.keys()):
                del rows[erased]
            return _upsert_people(connection, list(rows.values()))

    def movie(self, item_id: str) -> Movie | None:
        """As `ports.Catalogue.movie`."""
        with reading(self._engine) as connection:
            row = connection.execute(_ONE_MOVIE, {"item": item_id}).first()
        return None if row is None else _movie(*row)

    def movies(self) -> list[Movie]:
        """As `ports.Catalogue.movies`, in the order of their ids."""
        return list(self._listing().movies)

    def people(self) -> list[Person]:
        """As `ports.Catalogue.people`."""
        with reading(self._engine) as connection:
            columns = _PEOPLE.fetch(connection)
        return [Person(*row) for row in zip(*columns, strict=True)]

    def search(self, query: str, limit: int, genre: str | None = None) -> list[Movie]:
        """As `ports.Catalogue.search`; upper and lower case are one, also beyond ASCII."""
        wanted = None if genre is None else genre.casefold()
        found = self._listing().matching(query.casefold().split(), wanted)
        if not found:
            return []
        counts = self._interaction_counts([movie.item_id for movie in found])
        return nsmallest(limit, found, key=lambda m: (-counts.get(m.item_id, 0), m.item_id))

    def rating_counts(self, item_ids: Sequence[str]) -> dict[str, RatingCounts]:
        """As `ports.Catalogue.rating_counts`; a film nobody touched has zeros."""
        return self._ratings.of(item_ids)

    def version(self) -> int:
        """As `ports.Catalogue.version`; also sees what other processes changed."""
        with reading(self._engine) as connection:
            return connection.execute(_VERSION).scalar() or 0

    def _listing(self) -> _Listing:
        version = self.version()
        kept = self._kept
        if kept is None or kept.version != version:
            with reading(self._engine) as connection:
                columns = _ALL_MOVIES.fetch(connection)
            found = sorted(
                (_movie(*row) for row in zip(*columns, strict=True)), key=lambda m: m.item_id
            )
            # Read after the version: newer films under an older version are read again later.
            of_genre: dict[str, list[int]] = {}
            for at, movie in enumerate(found):
                for genre in {genre.casefold() for genre in movie.genres}:
                    of_genre.setdefault(genre, []).append(at)
            folded = tuple(movie.title.casefold() for movie in found)
            kept = _Listing(version, tuple(found), folded, of_genre)
            self._kept = kept
        return kept

    def _interaction_counts(self, item_ids: Sequence[str]) -> dict[str, int]:
        if len(item_ids) <= _COUNTED_SINGLY:
            with reading(self._engine) as connection:
                found = _TOUCHED_SOME.fetch(connection, items=list(item_ids))
            return dict(zip(*found, strict=True))
        kept = self._counts
        now_s = self._clock_s()
        if kept is None or now_s - kept[0] >= self._counts_kept_s:
            with reading(self._engine) as connection:
                found = _TOUCHED_ALL.fetch(connection)
            kept = self._counts = (now_s, dict(zip(*found, strict=True)))
        return kept[1]


def _upsert_movies(connection: Connection, rows: Sequence[Sequence[Any]]) -> int:
    return bulk_insert(connection, movies, _MOVIE_COLUMNS, rows, _COMPLETE)


def _upsert_people(connection: Connection, rows: Sequence[Sequence[Any]]) -> int:
    return bulk_insert(connection, people, _PERSON_COLUMNS, rows, _REPLACE)


def _movie_row(movie: Movie) -> tuple[Any, ...]:
    genres = orjson.dumps(movie.genres).decode()
    return (
        movie.item_id, movie.title, movie.year, genres, movie.added_at_ms, movie.placeholder
    )  # fmt: skip


def _movie(
    item_id: str, title: str, year: int | None, genres: str, added_at_ms: int, placeholder: bool
) -> Movie:
    return Movie(item_id, title, year, tuple(orjson.loads(genres)), added_at_ms, bool(placeholder))
