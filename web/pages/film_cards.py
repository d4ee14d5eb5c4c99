"""Films as pages show them: what the visitor did to each, and why it is on a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender.reasons import ReasonKind
from recommender.types import EventType, History, Movie, RatingCounts
from web.cards import Cards


@dataclass(frozen=True, slots=True)
class Mark:
    """What a visitor did to a film; `at_ms` is when they last did something to it, UTC ms."""

    rating: float | None = None
    watched: bool = False
    viewed: bool = False
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Why:
    """Why a film is on a list: words, then the films that led to it."""

    words: str
    films: tuple[Movie, ...] = ()


@dataclass(frozen=True, slots=True)
class FilmCard:
    """A film to show; `counts` and `why` where they are known."""

    film: Movie
    mark: Mark = Mark()
    why: Why | None = None
    counts: RatingCounts | None = None


def marks(history: History) -> dict[str, Mark]:
    """What a user did, by film."""
    found: dict[str, Mark] = {}
    for entry in history.entries:
        before = found.get(entry.item_id, Mark())
        found[entry.item_id] = Mark(
            entry.rating if entry.type is EventType.RATE else before.rating,
            before.watched or entry.type is EventType.WATCH,
            before.viewed or entry.type is EventType.VIEW,
            max(before.at_ms, entry.timestamp_ms),
        )
    return found


def listed(recommendations: list[dict[str, Any]], genre: str | None, cards: Cards
           ) -> list[FilmCard]:
    """The films of a `RecommendAnswer` as cards."""
    return [
        FilmCard(
            Movie(line["item_id"], line["title"], line["year"], tuple(line["genres"])),
            why=why(line["reason"], genre, cards),
        )
        for line in recommendations
    ]


def why(reason: Mapping[str, Any], genre: str | None, cards: Cards) -> Why:
    """A reason of an answer in words; `genre` is the one that the list was asked for."""
    films = tuple(cards.movie(i) or Movie(i, i, placeholder=True) for i in reason["item_ids"])
    kind = ReasonKind(reason["kind"])
    if kind is ReasonKind.SIMILAR_CONTENT and not films:
        return Why("Like what you looked at")
    if kind is ReasonKind.POPULAR_IN_GENRE and genre is not None:
        return Why(f"Popular in {genre}")
    return Why(_WORDS[kind], films)


_WORDS = {
    ReasonKind.BECAUSE_YOU_RATED: "Because you rated",
    ReasonKind.BECAUSE_YOU_WATCHED: "Because you watched",
    ReasonKind.SIMILAR_CONTENT: "Much like",
    ReasonKind.POPULAR: "Popular with everyone",
    ReasonKind.POPULAR_IN_GENRE: "Popular in the genres you like",
    ReasonKind.NEW: "New here",
}
