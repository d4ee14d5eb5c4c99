"""What the visitor did, newest first, with a way to take it back."""

from __future__ import annotations

from typing import Annotated

from flask import Response, url_for
from pydantic import BaseModel, Field
from werkzeug.wrappers import Response as AnyResponse

from recommender.types import Movie
from web.pages import frame
from web.pages.desk import Desk
from web.pages.done import Done
from web.pages.film_cards import FilmCard, marks
from web.reading import query_parameters
from web.request_context import this_request

_PER_PAGE = 50


class PageQuery(BaseModel):
    """Which part of the history, newest first, counted from 1."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class HistoryRoutes:
    """Reads the event store."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._store = desk.surface.services.store

    def history(self) -> Response:
        """The page."""
        return self._page()

    def act_on_entry(self) -> AnyResponse:
        """Take back, or rate anew."""
        done = self._desk.acts.perform()
        if frame.is_fragment():
            return self._page(done)
        return frame.see_done(done, "history.history", **_asked().model_dump(exclude_defaults=True))

    def forget(self) -> AnyResponse:
        """Go by no id on this device."""
        self._desk.visitors.forget()
        frame.notice("This device has forgotten who you are.")
        return frame.see("discovery.discovery")

    def _page(self, done: Done | None = None) -> Response:
        who, asked = self._desk.visitors.current(), _asked()
        done = done or self._desk.acts.awaited()
        history = None if who is None else self._store.history(who)
        found = {} if history is None else marks(history)
        newest = sorted(found, key=lambda item_id: (-found[item_id].at_ms, item_id))
        last = max(1, -(-len(newest) // _PER_PAGE))
        at = min(asked.page, last)
        cards = self._desk.cards
        films = [FilmCard(cards.movie(item_id) or Movie(item_id, item_id, placeholder=True),
                          found[item_id])
                 for item_id in newest[(at - 1) * _PER_PAGE : at * _PER_PAGE]]
        return frame.page(
            "visitor/history.html", who=who, films=films, total=len(newest), done=done, at=at,
            rated=sum(mark.rating is not None for mark in found.values()),
            watched=sum(mark.watched for mark in found.values()),
            searches=() if history is None else history.searches[::-1][:_PER_PAGE],
            may_choose=self._desk.visitors.may_choose, here=_address(at),
            newer=_address(at - 1) if at > 1 else None,
            older=_address(at + 1) if at < last else None)


def _address(at: int) -> str:
    return url_for("history.history", page=None if at == 1 else at)


def _asked() -> PageQuery:
    return query_parameters(PageQuery, this_request())
