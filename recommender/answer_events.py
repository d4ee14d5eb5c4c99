"""What others are told of an answer: that it was asked for, and what was shown."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from recommender.topics import RECOMMENDATION_REQUESTS, RECOMMENDATIONS
from recommender.types import AnsweredRecord, Message


def response_event(record: AnsweredRecord) -> dict[str, object]:
    """An answer as others read it; see docs/api-contract.md."""
    body = orjson.loads(record.body)
    return {
        "request_id": record.request_id,
        "user_id": record.user_id,
        "item_ids": [shown["item_id"] for shown in body.get("recommendations", ())],
        "variant": record.variant,
        "model_version": record.model_version,
        "is_personalized": record.is_personalized,
        "latency_ms": record.latency_us / 1000,
        "status": record.status,
        "timestamp": record.timestamp_ms,
        "propensities": body.get("provenance", {}).get("propensities"),
    }


def request_event(record: AnsweredRecord) -> dict[str, object]:
    """What was asked for, under the id of its answer."""
    body = orjson.loads(record.body)
    return {
        "request_id": record.request_id,
        "user_id": record.user_id,
        "k": body.get("k", len(body.get("recommendations", ()))),
        "timestamp": record.timestamp_ms,
    }


def answer_messages(records: Iterable[AnsweredRecord]) -> list[Message]:
    """Both events of each answer, under the key of its user."""
    return [
        Message(topic, record.user_id, orjson.dumps(event(record)))
        for record in records
        for topic, event in (
            (RECOMMENDATION_REQUESTS, request_event), (RECOMMENDATIONS, response_event))
    ]  # fmt: skip
