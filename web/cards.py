"""The part of a film card that is the same in every answer, encoded once per catalogue version."""

from __future__ import annotations

from collections.abc import Iterable, Set
from hashlib import blake2b
from itertools import islice

import orjson

from recommender.ports import Catalogue
from recommender.types import Movie


def _encode(movie: Movie) -> bytes:
    fields = {"item_id": movie.item_id, "title": movie.title, "year": movie.year,
              "genres": movie.genres}
    return orjson.dumps(fields)[1:-1]


def _newest_first(movie: Movie) -> tuple[bool, int, int, bytes]:
    # The hash breaks ties, so that the order of ids carries no information.
    tie = blake2b(movie.item_id.encode(), digest_size=8).digest()
    return movie.placeholder, -(movie.year or 0), -movie.added_at_ms, tie


class EncodedCards(dict[str, bytes]):
    """JSON members of each film, without braces; one not in the catalogue has only its id."""

    def __init__(self, catalogue: Catalogue, movies: Iterable[Movie] = ()) -> None:
        super().__init__((movie.item_id, _encode(movie)) for movie in movies)
        self._catalogue = catalogue

    def __missing__(self, item_id: str) -> bytes:
        movie = self._catalogue.movie(item_id) or Movie(item_id, item_id, placeholder=True)
        card = self[item_id] = _encode(movie)
        return card


class Cards:
    """Encoded cards of the catalogue; `refresh` is cheap while the catalogue stands still."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._version = -1
        self._cards = EncodedCards(catalogue)
        self._newest: tuple[Movie, ...] = ()
        self._movies: dict[str, Movie] = {}
        self._genres: tuple[str, ...] = ()

    def refresh(self) -> bool:
        """Encode the catalogue anew when it changed (also by another process).

        Returns whether a card is another than before; a film that is new changes no list.
        """
        version = self._catalogue.version()
        if version == self._version:
            return False
        movies = self._catalogue.movies()
        before = self._cards
        self._cards = EncodedCards(self._catalogue, movies)
        self._newest = tuple(sorted(movies, key=_newest_first))
        self._movies = {movie.item_id: movie for movie in movies}
        self._genres = tuple(sorted({genre for movie in movies for genre in movie.genres}))
        self._version = version
        return any(self._cards.get(item_id) != card for item_id, card in before.items())

    def encoded(self) -> EncodedCards:
        """The cards as they are now."""
        return self._cards

    def movie(self, item_id: str) -> Movie | None:
        """One film, without asking the store for those of the last refresh; None when unknown."""
        return self._movies.get(item_id) or self._catalogue.movie(item_id)

    def genres(self) -> tuple[str, ...]:
        """All genres, in alphabetical order."""
        return self._genres

    def newest(self, k: int, hidden: Set[str], genre: str | None) -> list[str]:
        """The k newest films (by year, then by arrival), what is shown while there is no model."""
        wanted = (
            movie.item_id for movie in self._newest
            if movie.item_id not in hidden
            and (genre is None or genre.casefold() in (g.casefold() for g in movie.genres))
        )
        return list(islice(wanted, k))
