"""The JSON of a recommendation, in pieces: what stays with a kept list, what each request adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson
from pydantic import BaseModel

from recommender.answer_text import AnswerText
from recommender.serving import Recommendation, RecommendOptions
from web.services import Configuration


class ShownReason(BaseModel):
    """Why a film is on the list; `item_ids` are the films of the history that led to it."""

    kind: str
    item_ids: list[str]


class RecommendedMovie(BaseModel):
    """A film on the list."""

    rank: int
    item_id: str
    title: str
    year: int | None
    genres: list[str]
    reason: ShownReason


class AnswerProvenance(BaseModel):
    """Where the answer comes from; null for what needs a model when there is none.

    `rerank` are the strengths of what reordered the model's list, null when nothing did;
    `asked` are options of the request that are not the default, null without one;
    `propensities`, one a film, are given when chance had a part in it: how likely it was to put
    that film there.
    """

    request_id: str
    model: str | None
    model_version: str | None
    git_sha: str | None
    data_snapshot_id: str | None
    rerank: dict[str, float] | None
    propensities: list[float] | None = None
    asked: dict[str, Any] | None = None
    history_version: int
    generated_at: str


class RecommendAnswer(BaseModel):
    """The answer of /recommend."""

    user_id: str
    k: int
    recommendations: list[RecommendedMovie]
    variant: str
    is_personalized: bool
    fallback: Literal["new_user", "no_model", "short_list"] | None
    provenance: AnswerProvenance


_FILMS_MAX = 100
_REASON = b',"reason":'
_RANKS = tuple(b'%s{"rank":%d,' % (b"}," if rank > 1 else b"", rank)
               for rank in range(1, _FILMS_MAX + 1))


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a list, as JSON members; `model_version` is empty when there is no model yet."""

    model_version: str
    text: bytes


class EncodedAnswer(NamedTuple):
    """An answer without its request id and time; `kind` is its label in the metric."""

    text: AnswerText
    is_personalized: bool
    kind: str
    history_version: int
    model_version: str
    variant: str


def encode_answer(
    user_id: str,
    k: int,
    recommendation: Recommendation,
    origin: Origin,
    variant: str,
    history_version: int,
    cards: Mapping[str, bytes],
    asked: bytes = b"",
) -> EncodedAnswer:
    """All of the answer that does not change from request to request."""
    item_ids, reasons, is_personalized, fallback, _, propensities = recommendation
    # Ids are drawn from [A-Za-z0-9._:-] at the door: nothing in them needs escaping.
    parts = [b'{"user_id":"%s","k":%d,"recommendations":[' % (user_id.encode(), k)]
    for rank, item_id, reason in zip(_RANKS, item_ids, reasons, strict=False):
        parts += (rank, cards[item_id], _REASON, reason.text)
    parts.append(
        b'%s],"variant":"%s","is_personalized":%s,"fallback":%s,"provenance":{"request_id":"' % (
            b"}" if item_ids else b"", variant.encode(), b"true" if is_personalized else b"false",
            b"null" if fallback is None else b'"%s"' % fallback.encode()))
    drawn = b"" if propensities is None else b',"propensities":%s' % orjson.dumps(propensities)
    between = b'",%s%s%s,"history_version":%d,"generated_at":"' % (
        origin.text, drawn, asked, history_version)
    return EncodedAnswer(
        AnswerText(b"".join(parts), between),
        is_personalized,
        "personalized" if fallback is None else fallback,
        history_version,
        origin.model_version,
        variant,
    )


def asked_of(options: RecommendOptions) -> bytes:
    """The options of a request that are not the default, as a JSON member; empty without one."""
    if not (options.exclude_ids or options.genre is not None or options.include_seen):
        return b""
    return b',"asked":%s' % orjson.dumps({
        "exclude": options.exclude_ids, "genre": options.genre,
        "include_seen": options.include_seen})


def origin_of(configuration: Configuration | None) -> Origin:
    """What stays of the provenance; null for each of the model's fields when there is none."""
    served = configuration and configuration.served
    members = {
        "model": served and served.name,
        "model_version": served and served.version_id,
        "git_sha": served and served.git_sha,
        "data_snapshot_id": served and served.data_snapshot_id,
        "rerank": (configuration and dict(configuration.chain.strengths)) or None,
    }
    return Origin(served.version_id if served else "", orjson.dumps(members)[1:-1])
