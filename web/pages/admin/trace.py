"""What was shown to whom, why, and by which model, code and data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from flask import Response
from pydantic import BaseModel

from recommender.errors import NotFound
from recommender.ports import Catalogue
from recommender.serving_configuration import CHOSEN_VARIANT, HOLDOUT_VARIANT
from recommender.types import AnsweredRecord
from web.operations import Who, page
from web.pages import frame
from web.pages.forms import OptionalId
from web.reading import query_parameters
from web.request_context import this_request
from web.surface import Surface

_REASONS = {
    "because_you_rated": "because of a rating of",
    "because_you_watched": "because of having watched",
    "popular": "popular",
    "popular_in_genre": "popular in a genre that goes with",
    "similar_content": "similar to",
    "new": "new",
}


class TraceQuery(BaseModel):
    """A request, or a user whose last answers are wanted."""

    request_id: OptionalId = None
    user_id: OptionalId = None


class TracePages:
    """Reads the response log."""

    def __init__(self, surface: Surface) -> None:
        services = surface.services
        self._responses = services.response_log
        self._catalogue = services.catalogue
        self._rollouts = services.rollouts

    def trace(self) -> Response:
        """One answer, or the last answers of a user."""
        query = query_parameters(TraceQuery, this_request())
        record = answers = None
        if query.request_id is not None:
            record = self._responses.trace(query.request_id)
            if record is None:
                raise NotFound(f"no answer was logged under {query.request_id}")
        elif query.user_id is not None:
            answers = self._responses.newest_of(query.user_id)
        return frame.page("admin/trace.html", query=query, record=record, answers=answers,
                          answer=record and self._answer(record),
                          arm=record and self._why_this_arm(record))

    def _why_this_arm(self, record: AnsweredRecord) -> str:
        """Which experiment gave the answer its variant; empty outside of any."""
        if self._rollouts is None or record.variant == CHOSEN_VARIANT:
            return ""
        if record.variant == HOLDOUT_VARIANT:
            return "the user is kept without personalisation"
        found = (r for r in self._rollouts.all() if r.ran_at(record.timestamp_ms))
        return next((r.assignment_of(record.user_id) for r in found), "")

    def _answer(self, record: AnsweredRecord) -> dict[str, Any]:
        """The body as it was answered, with reasons in words."""
        body: dict[str, Any] = orjson.loads(record.body)
        films = body.get("recommendations", ())
        titles = _titles(self._catalogue, films)
        return {
            "films": [{**film, "why": reason_in_words(film["reason"], titles)} for film in films],
            "fallback": body.get("fallback"), "provenance": body.get("provenance", {}),
            "k": body.get("k"), "text": orjson.dumps(body, option=orjson.OPT_INDENT_2).decode(),
        }


def _titles(catalogue: Catalogue, films: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    named = dict.fromkeys(id_ for film in films for id_ in film["reason"]["item_ids"])
    found = ((item_id, catalogue.movie(item_id)) for item_id in named)
    return {item_id: movie.title if movie else item_id for item_id, movie in found}


def reason_in_words(reason: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Such as "because of a rating of Star Wars"."""
    words = _REASONS.get(reason["kind"], reason["kind"])
    films = ", ".join(titles.get(item_id, item_id) for item_id in reason["item_ids"])
    return f"{words} {films}" if films else words


def register(surface: Surface) -> None:
    """Add these routes."""
    surface.table.topic("admin_trace", (
        (page("GET", "/admin/trace", "What was shown and why", Who.ADMIN, menu="Trace"),
         TracePages(surface).trace),
    ))
