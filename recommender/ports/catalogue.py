"""Films, people, and what was imported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from recommender.types import Movie, Person, RatingCounts


class Catalogue(Protocol):
    """Films and what imports told about people."""

    def add_movies(self, movies: Iterable[Movie]) -> int:
        """Insert or complete (a placeholder becomes a film); how many are new or changed."""
        ...

    def add_people(self, people: Iterable[Person]) -> int:
        """Insert or replace."""
        ...

    def movie(self, item_id: str) -> Movie | None:
        """One film, None when unknown."""
        ...

    def movies(self) -> list[Movie]:
        """The whole catalogue, placeholders too."""
        ...

    def people(self) -> list[Person]:
        """Everyone an import told about."""
        ...

    def search(self, query: str, limit: int, genre: str | None = None) -> list[Movie]:
        """Films whose title holds every word of the query, most interacted first."""
        ...

    def rating_counts(self, item_ids: Sequence[str]) -> dict[str, RatingCounts]:
        """Ratings by value and watches for each of the films."""
        ...

    def version(self) -> int:
        """Grows with every change of the catalogue."""
        ...


class Imports(Protocol):
    """Which sources were imported, so that none is imported twice."""

    def finished(self, import_id: str) -> bool:
        """Whether the source of this content hash was imported to its end."""
        ...

    def rows_by_id(self, prefix: str) -> dict[str, int]:
        """Rows of each recorded source whose id begins with `prefix`."""
        ...

    def record(self, import_id: str, name: str, rows: int, rejected: int, at_ms: int) -> None:
        """Note that it was."""
        ...
