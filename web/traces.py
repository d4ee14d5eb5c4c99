"""What was answered, and from what: GET /trace/<request_id>."""

from __future__ import annotations

import orjson
from flask import Response

from recommender.errors import NotFound
from web.answers import TraceAnswer, iso_time, json_answer
from web.operations import Operation, Who
from web.reading import path_id
from web.surface import Surface


class TraceRoutes:
    """Reads the response log."""

    def __init__(self, surface: Surface) -> None:
        self._response_log = surface.services.response_log
        self._access = surface.access

    def trace(self, request_id: str) -> Response:
        """One answer; a client key bound to another user may not see it."""
        found = self._response_log.trace(path_id("request_id", request_id))
        if found is None:
            raise NotFound(f"no answer was logged under {request_id}")
        self._access.require_user(found.user_id)
        return json_answer({
            "request_id": found.request_id,
            "timestamp": iso_time(found.timestamp_ms),
            "user_id": found.user_id,
            "variant": found.variant,
            "model_version": found.model_version,
            "history_version": found.history_version,
            "is_personalized": found.is_personalized,
            "status": found.status,
            "latency_ms": found.latency_us / 1000,
            "answer": orjson.Fragment(found.body),
        })


def register(surface: Surface) -> None:
    """Add these routes."""
    surface.table.topic("traces", (
        (Operation("GET", "/trace/<request_id>", "What was answered under a request id, by "
                   "which model, code, data and history", Who.CLIENT, TraceAnswer,
                   errors=(404, 503)), TraceRoutes(surface).trace),
    ))
