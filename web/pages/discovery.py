"""The first page: films for this visitor, and for someone new films to pick from."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from flask import Response, url_for
from pydantic import BaseModel, BeforeValidator
from werkzeug.wrappers import Response as AnyResponse

from recommender.serving import Fallback, RecommendOptions
from recommender.types import Acceptance
from web.errors import ProblemError
from web.pages import frame
from web.pages.desk import Desk
from web.pages.done import Done
from web.pages.film_cards import listed
from web.pages.onboarding import PICK_RATING, SHOWN, SUGGESTED
from web.payloads import Diversity, K, Text
from web.reading import path_id, query_parameters
from web.recommend import Answers, check_diversity
from web.request_context import this_request

FILMS, FILMS_MAX = 12, 48
DIVERSITIES = (("", "As usual"), ("0.2", "A little mixed"), ("0.4", "Mixed"),
               ("0.7", "Very mixed"))
"""(value, text): strengths of the reranker for diversity, as far as the settings allow them."""


class DiscoveryQuery(BaseModel):
    """Which list is shown; a field left empty counts as not given."""

    k: K = FILMS
    genre: Text = ""
    model: Text = ""
    diversity: Annotated[Diversity, BeforeValidator(lambda value: value or None)] = None

    def address(self) -> str:
        """The address of this page."""
        return url_for("discovery.discovery", **self.given())

    def given(self) -> dict[str, Any]:
        """The parameters of the address."""
        return self.model_dump(exclude_defaults=True)

    @property
    def diversity_text(self) -> str:
        """As the selector offers it."""
        return "" if self.diversity is None else f"{self.diversity:g}"


class DiscoveryRoutes:
    """Shows the very answer that /recommend gives, logged and counted as there."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._answers = Answers(desk.surface.services)
        self._diversity_max = desk.surface.options.diversity_max
        self._diversities = [choice for choice in DIVERSITIES
                             if not choice[0] or 0 < float(choice[0]) <= self._diversity_max]

    def discovery(self) -> Response:
        """The page."""
        return self._page()

    def act(self) -> AnyResponse:
        """Rate, watch or take back, from a card."""
        done = self._desk.acts.perform()
        return self._after(done)

    def pick(self) -> AnyResponse:
        """Take the films that someone new picked."""
        wanted = dict.fromkeys(this_request().form.getlist("item_id"))
        if len(wanted) > SHOWN:
            raise ProblemError(422, f"more than {SHOWN} films")
        films = [self._desk.acts.film(path_id("item_id", item_id)) for item_id in wanted]
        return self._after(self._desk.acts.rate_all(films, PICK_RATING, _picked))

    def choose(self) -> AnyResponse:
        """Go by an existing user, in development."""
        user_id = this_request().form.get("user_id", "").strip()
        self._desk.visitors.choose(user_id)
        frame.notice(f"You are {user_id} now.")
        return frame.see("discovery.discovery")

    def _after(self, done: Done) -> AnyResponse:
        if frame.is_fragment():
            return self._page(done)
        return frame.see_done(done, "discovery.discovery", **_asked().given())

    def _page(self, done: Done | None = None) -> Response:
        desk, asked = self._desk, _asked()
        done = done or desk.acts.awaited()
        who = desk.visitors.current()
        answer = None if who is None else self._answer(who, asked)
        new = answer is None or answer["fallback"] == Fallback.NEW_USER
        films = [] if answer is None else listed(
            answer["recommendations"], asked.genre or None, desk.cards)
        return frame.page(
            "visitor/discovery.html", who=who, asked=asked, answer=answer, films=films,
            done=done, new=new,
            starters=desk.starters.films() if new else (), suggested=SUGGESTED,
            genres=desk.genre_choices(), models=desk.models.offered(),
            diversities=self._diversities,
            may_choose=desk.visitors.may_choose, lately=desk.visitors.lately(), films_max=FILMS_MAX)

    def _answer(self, who: str, asked: DiscoveryQuery) -> dict[str, Any]:
        request = this_request()
        options = RecommendOptions(min(asked.k, FILMS_MAX), genre=asked.genre or None,
                                   diversity=asked.diversity)
        if asked.diversity is not None:
            check_diversity(asked.diversity, self._diversity_max)
        body = self._answers.give(self._desk.models.lists(asked.model or None), who, options,
                                  request.request_id, request.started)
        answer: dict[str, Any] = orjson.loads(body)
        return answer


def _asked() -> DiscoveryQuery:
    return query_parameters(DiscoveryQuery, this_request())


def _picked(acceptances: list[Acceptance]) -> str:
    refused = sum(a.retry_after_s is not None for a in acceptances)
    kept = len(acceptances) - refused
    words = [f"{kept} {'film' if kept == 1 else 'films'} taken into your history."] if kept else []
    if not acceptances:
        return "You picked no film, so these are what everyone likes."
    if refused:
        words.append(f"{refused} more {'was' if refused == 1 else 'were'} not taken: these are "
                     "more ratings in an hour than one may give.")
    return " ".join(words)
