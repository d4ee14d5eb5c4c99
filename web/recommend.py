"""The list for a user: GET /recommend?user_id= and /recommend/<user_id>.

The hot path. A list is kept with the user's encoded history until their next event or the next
model; what stays with each request is the limit, metrics, request id, log and trace.
"""

from __future__ import annotations

from functools import lru_cache
from time import perf_counter
from urllib.parse import parse_qsl

from flask import Response
from pydantic import BaseModel, Field

from recommender.errors import FairreelError, InvalidField
from recommender.serving import RecommendOptions
from recommender.types import AnsweredRecord, Role
from web.lists import Lists
from web.model_lists import ModelLists
from web.operations import JSON, Operation, Who
from web.payloads import Diversity, Id, K, Reference, Text
from web.reading import path_id
from web.recommendation_answer import EncodedAnswer, RecommendAnswer
from web.request_context import this_request
from web.services import Services
from web.surface import Register, Surface

# A query that is remembered has to be small: memory stays bounded.
REMEMBERED_QUERY_MAX_BYTES = 256


class ListQuery(BaseModel):
    """What list is wanted."""

    k: K = 10
    exclude: tuple[Id, ...] = Field(
        default=(), max_length=200, description="films not to show, separated by commas")
    genre: Text | None = Field(default=None, description="only films of this genre")
    include_seen: bool = Field(default=False, description="show films of the history too")
    diversity: Diversity = Field(default=None, description="how much the films shall differ, from "
                                 "0 to the bound of the settings; default: that of the settings")
    model: Reference = Field(default=None, description="for administrators: a list by the model "
                             "of this version id, integer version or name")


class RecommendQuery(ListQuery):
    """Whose list is wanted."""

    user_id: Id


def _parse(query_string: bytes,
           path_user: str | None) -> tuple[str, RecommendOptions, str | None]:
    """User, options and model of a query; parameters that the route does not know are ignored.

    Raises:
        InvalidField: a parameter that it knows is given twice.
        pydantic.ValidationError: one is not acceptable.
    """
    given: dict[str, object] = {}
    known = RecommendQuery.model_fields if path_user is None else ListQuery.model_fields
    pairs = parse_qsl(query_string.decode("utf-8", "replace"), keep_blank_values=True)
    for name, value in pairs:
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
    options = RecommendOptions(query.k, query.exclude, query.genre, query.include_seen,
                               query.diversity)
    return query.user_id, options, query.model


# Lists are asked for again and again, in short queries.
_remembered = lru_cache(maxsize=65_536)(_parse)


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

    def __init__(self, surface: Surface, lists: Lists, models: ModelLists) -> None:
        self._lists = lists
        self._models = models
        self._diversity_max = surface.options.diversity_max
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
        user_id, options, model = parse(query, path_user)
        self._access.require_user(user_id)
        if options.diversity is not None:
            check_diversity(options.diversity, self._diversity_max)
        lists = self._lists if model is None else self._lists_of(model)
        body = self._answers.give(lists, user_id, options, request.request_id, request.started)
        return Response(body, content_type=JSON)

    def _lists_of(self, model: str) -> Lists:
        key = this_request().key
        if key is None or key.role is not Role.ADMIN:
            raise self._access.refuse("403 not an administrator", "model",
                                      "only an administrator's key may ask for a model")
        return self._models.of(model)


def check_diversity(diversity: float, most: float) -> None:
    """Hold what a request asks for against the bound of the settings.

    Raises:
        InvalidField: it is above.
    """
    if diversity > most:
        raise InvalidField("diversity", f"must be at most {most:g}")


def topic(lists: Lists, models: ModelLists) -> Register:
    """These routes over `lists`, for `create_app`; `models` gives those of other models."""
    summary = "Films for a user, with reasons and provenance"

    def register(surface: Surface) -> None:
        routes = RecommendRoutes(surface, lists, models)
        surface.table.topic("recommend", (
            (Operation("GET", "/recommend", summary, Who.CLIENT, RecommendAnswer,
                       query=RecommendQuery, errors=(404, 409, 503)), routes.recommend),
            (Operation("GET", "/recommend/<user_id>", summary, Who.CLIENT, RecommendAnswer,
                       query=ListQuery, errors=(404, 409, 503)), routes.recommend_to),
        ))

    return register
