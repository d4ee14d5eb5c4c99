"""The list for a user: GET /recommend?user_id= and /recommend/<user_id>.

The hot path. A list is kept with the user's encoded history until their next event or the next
model; what stays with each request is the limit, metrics, request id, log and trace.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from time import perf_counter
from urllib.parse import parse_qsl

from flask import Response
from pydantic import BaseModel, Field

from recommender.errors import FairreelError, InvalidField
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
    without_history,
)
from recommender.serving_configuration import CHOSEN_VARIANT, DEFAULT_VARIANT, ServeNewest
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
from web.services import Configuration, ConfigurationChoice, ServedModel, Services, ServingState
from web.surface import Register, Surface

# Part of the contract, built later: refused rather than silently without effect.
NOT_YET = frozenset({"diversity", "model"})
# What is kept or remembered has to be small and likely to come again: memory stays bounded.
KEPT_K_MAX = 20
ORIGINS_MAX = 8
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


Observe = Callable[[str, RecommendOptions, EncodedAnswer], None]


class Lists:
    """Makes and keeps the lists; knows nothing of HTTP.

    `choose` decides by which configuration a user is answered, by default by the model that
    serves; `observe` is told of each answer given, when the request is as good as done.
    """

    def __init__(self, kept: KeptUsers[EncodedUser, EncodedAnswer],
                 load: Callable[[str], History], cards: Cards, serving: ServingState,
                 keep_lists: bool, choose: ConfigurationChoice | None = None,
                 observe: Observe | None = None) -> None:
        self._kept = kept
        self._load = load
        self._cards = cards
        self._keep_lists = keep_lists
        self._choose = choose or ServeNewest(serving)
        self.observe = observe
        self._origins: dict[str, Origin] = {}

    def answer(self, user_id: str, options: RecommendOptions) -> EncodedAnswer:
        """The list of this user's configuration, or the newest films before the first model."""
        configuration = self._choose(user_id)
        if configuration is None:
            return self._newest(user_id, options)
        served = configuration.served
        bundle = served.bundle
        user = self._kept.get(user_id, served.version, lambda history: encode(bundle, history))
        if not self._keep_lists:
            return self._compute(configuration, user_id, user, options)
        key: Hashable = options
        if configuration.key is not None:
            key = options, configuration.key
        answer = user.lists.get(key)
        if answer is None:
            answer = self._compute(configuration, user_id, user, options)
            if options.k <= KEPT_K_MAX and not options.exclude_ids:
                user.keep(key, answer)
        return answer

    def failure(self, user_id: str, options: RecommendOptions) -> EncodedAnswer:
        """What is logged of a list that could not be made: whose it was to be, and no films."""
        configuration = self._choose(user_id)
        served = None if configuration is None else configuration.served
        variant = DEFAULT_VARIANT if configuration is None else configuration.variant
        nothing = Recommendation((), (), is_personalized=False, fallback=None, from_model=0)
        return encode_answer(user_id, options.k, nothing, origin_of(served), variant, 0, {})

    def forget(self, user_id: str) -> None:
        """Make the next list of a user from what the store then knows."""
        self._kept.forget([user_id])

    def of_model(self, served: ServedModel) -> Lists:
        """Lists of this model whatever serves; none is kept, and their variant tells them apart."""
        serving = ServingState(served)
        return Lists(KeptUsers(self._load, 0), self._load, self._cards, serving,
                     keep_lists=False, choose=ServeNewest(serving, CHOSEN_VARIANT))

    def _compute(self, configuration: Configuration, user_id: str,
                 user: KeptUser[EncodedUser, EncodedAnswer],
                 options: RecommendOptions) -> EncodedAnswer:
        served = configuration.served
        origin = self._origins.get(served.version_id)
        if origin is None:
            if len(self._origins) >= ORIGINS_MAX:
                self._origins.clear()
            origin = self._origins[served.version_id] = origin_of(served)
        encoded = user.encoded if configuration.personal else without_history(user.encoded)
        recommendation = recommend_encoded(served.bundle, encoded, options)
        if not configuration.personal:
            recommendation = recommendation._replace(fallback=None)
        answer = encode_answer(user_id, options.k, recommendation, origin, configuration.variant,
                               user.history_version, self._cards.encoded())
        return answer if configuration.personal else answer._replace(kind=configuration.variant)

    def _newest(self, user_id: str, options: RecommendOptions) -> EncodedAnswer:
        history = self._load(user_id)
        seen = () if options.include_seen else [entry.item_id for entry in history.entries]
        hidden = frozenset((*options.exclude_ids, *seen))
        items = self._cards.newest(options.k, hidden, options.genre)
        recommendation = Recommendation(
            tuple(items), (Reason(ReasonKind.NEW),) * len(items),
            is_personalized=False, fallback=Fallback.NO_MODEL, from_model=0)
        return encode_answer(user_id, options.k, recommendation, origin_of(None),
                             DEFAULT_VARIANT, history.version, self._cards.encoded())


class Answers:
    """Gives lists as answers, each with the id of its request, logged and counted."""

    def __init__(self, services: Services) -> None:
        self._now_ms = services.now_ms
        self._log = services.response_log
        self._count = services.telemetry.recommendation

    def give(self, lists: Lists, user_id: str, options: RecommendOptions, request_id: str,
             started: float) -> bytes:
        """The JSON of `RecommendAnswer`; `started` is a time of the performance counter.

        A list that cannot be made is logged too, with the status 500, for the arm that failed.
        """
        try:
            answer = lists.answer(user_id, options)
        except FairreelError:
            raise  # the store is away, say: no fault of the model
        except Exception:
            self._note(lists.failure(user_id, options), 500, user_id, request_id, started)
            raise
        now_ms = self._note(answer, 200, user_id, request_id, started)
        self._count(answer.kind)
        if lists.observe is not None:
            lists.observe(user_id, options, answer)
        return answer.text.complete(request_id, now_ms)

    def _note(self, answer: EncodedAnswer, status: int, user_id: str, request_id: str,
              started: float) -> int:
        now_ms = self._now_ms()
        self._log.record(AnsweredRecord(
            request_id, now_ms, user_id, answer.variant, answer.model_version,
            answer.history_version, answer.is_personalized, status,
            int((perf_counter() - started) * 1e6), answer.text))
        return now_ms


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
