"""Search by words of the title and by genre, as one types."""

from __future__ import annotations

from flask import Response, url_for
from pydantic import BaseModel
from werkzeug.wrappers import Response as AnyResponse

from web.pages import frame
from web.pages.desk import Desk
from web.pages.done import Done
from web.pages.film_cards import FilmCard, Mark
from web.payloads import Text
from web.reading import query_parameters
from web.request_context import this_request

_FOUND_MAX = 24


class SearchQuery(BaseModel):
    """What is looked for; nothing at all finds what is popular."""

    query: Text = ""
    genre: Text = ""


class SearchRoutes:
    """Reads the catalogue; films that many took come first."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._catalogue = desk.surface.services.catalogue

    def search(self) -> Response:
        """The page."""
        return self._page()

    def act_on_result(self) -> AnyResponse:
        """Rate, watch or take back, from a result."""
        done = self._desk.acts.perform()
        if frame.is_fragment():
            return self._page(done)
        return frame.see_done(done, "search.search", **_asked().model_dump(exclude_defaults=True))

    def _page(self, done: Done | None = None) -> Response:
        asked = _asked()
        done = done or self._desk.acts.awaited()
        words = asked.query.strip()
        if words or asked.genre:
            found = self._catalogue.search(words, _FOUND_MAX, asked.genre or None)
        else:
            found = list(self._desk.starters.popular()[:_FOUND_MAX])
        counts = self._catalogue.rating_counts([film.item_id for film in found])
        done_before = self._desk.marks()
        films = [FilmCard(film, done_before.get(film.item_id, Mark()),
                          counts=counts.get(film.item_id)) for film in found]
        here = url_for("search.search", **asked.model_dump(exclude_defaults=True))
        return frame.page("visitor/search.html", asked=asked, films=films, done=done, here=here,
                          genres=self._desk.genre_choices(),
                          found=_found(len(films), bool(words or asked.genre)))


def _asked() -> SearchQuery:
    return query_parameters(SearchQuery, this_request())


def _found(number: int, asked: bool) -> str:
    if not number:
        return "No film was found." if asked else "There are no films yet."
    if not asked:
        return "What most people rated or watched"
    if number == _FOUND_MAX:
        return f"More than can be shown: the {number} that most people rated or watched"
    return f"{number} {'film' if number == 1 else 'films'} found"
