"""A film: how it was rated, what is like it, and what the visitor thinks of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response
from pydantic import BaseModel
from werkzeug.wrappers import Response as AnyResponse

from recommender.types import Movie, RatingCounts
from web.pages import frame
from web.pages.desk import Desk
from web.pages.done import Done
from web.pages.film_cards import FilmCard, Mark, Why
from web.payloads import Text
from web.reading import path_id, query_parameters
from web.request_context import this_request
from web.services import ServedModel

_SIMILAR = 8
_STEPS = tuple(step / 2 for step in range(1, 11))
_LIKE = {"people": Why("Rated or watched by the same people"),
         "content": Why("Alike by title and genres")}


class FilmQuery(BaseModel):
    """How the visitor came to the film: the words they searched for."""

    query: Text = ""


class FilmRoutes:
    """Reads the catalogue and the neighbours in the served model."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._services = desk.surface.services

    def film(self, item_id: str) -> Response:
        """The page; opening it is noted, coming back to it from its own form is not."""
        request = this_request()
        words = query_parameters(FilmQuery, request).query.strip()
        answer = self._page(item_id)
        if urlsplit(request.referrer or "").path != request.path:
            self._desk.acts.note_visit(self._known(item_id), words)
        return answer

    def act_on_film(self, item_id: str) -> AnyResponse:
        """Rate, watch or take back; a neighbour too."""
        self._known(item_id)
        done = self._desk.acts.perform()
        if frame.is_fragment():
            return self._page(item_id, done)
        return frame.see_done(done, "film.film", item_id=item_id)

    def _page(self, item_id: str, done: Done | None = None) -> Response:
        film, done = self._known(item_id), done or self._desk.acts.awaited()
        done_before = self._desk.marks()
        counts = self._services.catalogue.rating_counts([item_id])[item_id]
        labels, values = histogram(counts)
        return frame.page(
            "visitor/film.html", done=done, labels=labels, values=values, counts=counts,
            card=FilmCard(film, done_before.get(item_id, Mark()), counts=counts),
            similar=self._similar(item_id, done_before), has_model=self._served() is not None)

    def _similar(self, item_id: str, done_before: dict[str, Mark]) -> list[FilmCard]:
        served = self._served()
        if served is None:
            return []
        near = self._services.similar(served.bundle, item_id, _SIMILAR)
        films = [(self._desk.cards.movie(other), kind) for other, kind in near]
        return [FilmCard(film, done_before.get(film.item_id, Mark()), _LIKE[kind])
                for film, kind in films if film is not None]

    def _served(self) -> ServedModel | None:
        return self._services.serving.current()

    def _known(self, item_id: str) -> Movie:
        return self._desk.acts.film(path_id("item_id", item_id))


def histogram(counts: RatingCounts) -> tuple[list[str], list[int]]:
    """Ratings and how often each was given; half stars only where someone gave one."""
    halves = any(not rating.is_integer() for rating in counts.by_rating)
    steps = _STEPS if halves else _STEPS[1::2]
    return [f"{step:g}" for step in steps], [counts.by_rating.get(step, 0) for step in steps]
