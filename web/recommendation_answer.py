"""The JSON of a recommendation, in pieces: what stays with a kept list, what each request adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import orjson
from pydantic import BaseModel

from recommender.answer_text import AnswerText, answer_text
from recommender.serving import ReasonKind, Recommendation, RecommendedItem


class Reason(BaseModel):
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
    reason: Reason


class AnswerProvenance(BaseModel):
    """Where the answer comes from; null for what needs a model when there is none."""

    request_id: str
    model: str | None
    model_version: str | None
    git_sha: str | None
    data_snapshot_id: str | None
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


_RANKS = tuple(b'{"rank":%d,' % rank for rank in range(1, 101))
_REASONS = {kind: b',"reason":{"kind":"%s","item_ids":[' % kind.encode() for kind in ReasonKind}


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a list: a model's fields, or None for each when there is no model yet."""

    model: str | None
    model_version: str | None
    git_sha: str | None
    data_snapshot_id: str | None


class EncodedAnswer(NamedTuple):
    """An answer without its request id and time; `kind` is its label in the metric."""

    text: AnswerText
    is_personalized: bool
    kind: str
    history_version: int
    model_version: str


def encode_answer(
    user_id: str,
    k: int,
    recommendation: Recommendation,
    origin: Origin,
    variant: str,
    history_version: int,
    card: Callable[[str], bytes],
) -> EncodedAnswer:
    """All of the answer that does not change from request to request."""
    fallback = recommendation.fallback
    before = b"".join((
        b'{"user_id":"', user_id.encode(), b'","k":%d,"recommendations":[' % k,
        _encode_items(recommendation.items, card),
        b'],"variant":"', variant.encode(),
        b'","is_personalized":', b"true" if recommendation.is_personalized else b"false",
        b',"fallback":', b"null" if fallback is None else b'"%s"' % fallback.encode(),
        b',"provenance":{"request_id":"',
    ))
    between = b'",%s,"history_version":%d,"generated_at":"' % (
        _encode_origin(origin), history_version)
    return EncodedAnswer(
        answer_text(before, between),
        recommendation.is_personalized,
        "personalized" if fallback is None else fallback,
        history_version,
        origin.model_version or "",
    )


@lru_cache(maxsize=16)
def _encode_origin(origin: Origin) -> bytes:
    return orjson.dumps({
        "model": origin.model, "model_version": origin.model_version,
        "git_sha": origin.git_sha, "data_snapshot_id": origin.data_snapshot_id,
    })[1:-1]


def _encode_items(items: Sequence[RecommendedItem], card: Callable[[str], bytes]) -> bytes:
    # Ids are drawn from [A-Za-z0-9._:-] at the door: nothing in them needs escaping.
    return b",".join([
        b'%s%s%s"%s"]}}' % (ranked, card(item_id), _REASONS[kind], '","'.join(because).encode())
        if because else b"%s%s%s]}}" % (ranked, card(item_id), _REASONS[kind])
        for ranked, (item_id, kind, because) in zip(_RANKS, items, strict=False)
    ])
