"""The list for a user: GET /recommend?user_id= and /recommend/<user_id>.

The hot path. A list is kept with the user's encoded history until their next event or the next
model; what stays with each request is the limit, metrics, request id, log and trace.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from urllib.parse import parse_qsl

from flask import Response
from pydantic import BaseModel, Field

from recommender.errors import InvalidField
from recommender.kept import KeptUser, KeptUsers
from recommender.serving import (
    EncodedUser,
    Fallback,
    Reason,
    ReasonKind,
    Recommendation,
    RecommendOptions,
    encode,
    recommend_encoded,
)
from recommender.types import AnsweredRecord, History
from web.cards import Cards
from web.operations import JSON, Operation, Who
from web.payloads import Id, K, Text
from web.reading import path_id
from web.recommendation_answer import (
    EncodedAnswer,
    Origin,
    RecommendAnswer,
    encode_answer,
    origin_of,
)
from web.request_context import this_request
from web.services import ServedModel, Services, ServingState
from web.surface import Register, Surface

VARIANT = "A"
CHOSEN = "chosen"
"""The variant of lists from a model that someone picked: no part of any comparison."""
# Part of the contract, built later: refused rather than silently without effect.
NOT_YET = frozenset({"diversity", "model"})
# What is kept or remembered has to be small and likely to come again: memory stays bounded.
KEPT_K_MAX = 20
REMEMBERED_QUERY_MAX_BYTES = 256


class ListQuery(BaseModel):
    """What list is wanted."""

    k: K = 10
    exclude: tuple[Id, ...] = Field(
        default=(), max_length=200, description="films not to show, separated by commas")
    genre: Text | None = Field(default=None, description="only films of this genre")
    include_seen: bool = Field(default=False, description="show films of the history too")


class RecommendQuery(ListQuery):
    """Whose list is wanted."""

    user_id: Id


def _parse(query_string: bytes, path_user: str | None) -> tuple[str, RecommendOptions]:
    """User and options of a query string; parameters that the route does not know are ignored.

    Raises:
        InvalidField: a parameter that it knows is given twice.
        pydantic.ValidationError: one is not acceptable.
    """
    given: dict[str, object] = {}
    known = RecommendQuery.model_fields if path_user is None else ListQuery.model_fields
    pairs = parse_qsl(query_string.decode("utf-8", "replace"), keep_blank_values=True)
    for name, value in pairs:
        if name in NOT_YET:
            raise InvalidField(name, "is not available yet")
        if name not in known:
            continue
        if name in given:
            raise InvalidField(name, "is given more than once")
        given[name] = value
    if "exclude" in given:
        given["exclude"] = tuple(part for part in str(given["exclude"]).split(",") if part)
    if path_user is not None:
        given["user_id"] = path_id("user_id", path_user)
    query = RecommendQuery.model_validate(given)
    return query.user_id, RecommendOptions(query.k, query.exclude, query.genre, query.include_seen)


# Lists are asked for again and again, in short queries.
_remembered = lru_cache(maxsize=65_536)(_parse)


class Lists:
    """Makes and keeps the lists; knows nothing of HTTP."""

    def __init__(self, kept: KeptUsers[EncodedUser, EncodedAnswer],
                 load: Callable[[str], History], cards: Cards, serving: ServingState,
                 keep_lists: bool, variant: str = VARIANT) -> None:
        self._kept = kept
        self._load = load
        self._cards = cards
        self._serving = serving
        self._keep_lists = keep_lists
        self.variant = variant
        self._origin: tuple[ServedModel | None, Origin] = None, origin_of(None)

    def answer(self, user_id: str, options: RecommendOptions) -> EncodedAnswer:
        """The list of the model that serves now, or the newest films before the first model."""
        served = self._serving.current()
        if served is None:
            return self._newest(user_id, options)
        bundle = served.bundle
        user = self._kept.get(user_id, served.version, lambda history: encode(bundle, history))
        if not self._keep_lists:
            return self._compute(served, user_id, user, options)
        answer = user.lists.get(options)
        if answer is None:
            answer = self._compute(served, user_id, user, options)
            if options.k <= KEPT_K_MAX and not options.exclude_ids:
                user.keep(options, answer)
        return answer

    def forget(self, user_id: str) -> None:
        """Make the next list of a user from what the store then knows."""
        self._kept.forget([user_id])

    def of_model(self, served: ServedModel) -> Lists:
        """Lists of this model whatever serves; none is kept, and their variant tells them apart."""
        return Lists(KeptUsers(self._load, 0), self._load, self._cards, ServingState(served),
                     keep_lists=False, variant=CHOSEN)

    def _compute(self, served: ServedModel, user_id: str,
                 user: KeptUser[EncodedUser, EncodedAnswer],
                 options: RecommendOptions) -> EncodedAnswer:
        recommendation = recommend_encoded(served.bundle, user.encoded, options)
        of, origin = self._origin
        if of is not served:
            origin = origin_of(served)
            self._origin = served, origin
        return encode_answer(user_id, options.k, recommendation, origin, self.variant,
                             user.history_version, self._cards.encoded())

    def _newest(self, user_id: str, options: RecommendOptions) -> EncodedAnswer:
        history = self._load(user_id)
        seen = () if options.include_seen else [entry.item_id for entry in history.entries]
        hidden = frozenset((*options.exclude_ids, *seen))
        items = self._cards.newest(options.k, hidden, options.genre)
        recommendation = Recommendation(
            tuple(items), (Reason(ReasonKind.NEW),) * len(items),
            is_personalized=False, fallback=Fallback.NO_MODEL, from_model=0)
        return encode_answer(user_id, options.k, recommendation, origin_of(None),
                             self.variant, history.version, self._cards.encoded())


class Answers:
    """Gives lists as answers, each with the id of its request, logged and counted."""

    def __init__(self, services: Services) -> None:
        self._now_ms = services.now_ms
        self._log = services.response_log
        self._count = services.telemetry.recommendation

    def give(self, lists: Lists, user_id: str, options: RecommendOptions, request_id: str,
             started: float) -> bytes:
        """The JSON of `RecommendAnswer`; `started` is a time of the performance counter."""
        answer = lists.answer(user_id, options)
        now_ms = self._now_ms()
        self._log.record(AnsweredRecord(
            request_id, now_ms, user_id, lists.variant, answer.model_version,
            answer.history_version, answer.is_personalized, 200,
            int((perf_counter() - started) * 1e6), answer.text))
        self._count(answer.kind)
        return answer.text.complete(request_id, now_ms)


class RecommendRoutes:
    """Gives lists to the callers of the API."""

    def __init__(self, surface: Surface, lists: Lists) -> None:
        self._lists = lists
        self._access = surface.access
        self._answers = Answers(surface.services)

    def recommend(self) -> Response:
        """The user is in the query."""
        return self._answer(None)

    def recommend_to(self, user_id: str) -> Response:
        """The user is in the path."""
        return self._answer(user_id)

    def _answer(self, path_user: str | None) -> Response:
        request = this_request()
        query = request.query_string
        parse = _remembered if len(query) <= REMEMBERED_QUERY_MAX_BYTES else _parse
        user_id, options = parse(query, path_user)
        self._access.require_user(user_id)
        body = self._answers.give(self._lists, user_id, options, request.request_id,
                                  request.started)
        return Response(body, content_type=JSON)


def topic(lists: Lists) -> Register:
    """These routes over `lists`, for `create_app`."""
    summary = "Films for a user, with reasons and provenance"

    def register(surface: Surface) -> None:
        routes = RecommendRoutes(surface, lists)
        surface.table.topic("recommend", (
            (Operation("GET", "/recommend", summary, Who.CLIENT, RecommendAnswer,
                       query=RecommendQuery, errors=(503,)), routes.recommend),
            (Operation("GET", "/recommend/<user_id>", summary, Who.CLIENT, RecommendAnswer,
                       query=ListQuery, errors=(503,)), routes.recommend_to),
        ))

    return register
