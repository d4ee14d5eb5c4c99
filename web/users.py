"""What a person did: GET /users/<id>/history."""

from __future__ import annotations

from flask import Response

from recommender.types import HistoryEntry
from web.answers import HistoryAnswer, iso_time, json_answer, movie_heading
from web.operations import Operation, Who
from web.payloads import HistoryQuery
from web.reading import path_id, query_parameters
from web.request_context import this_request
from web.surface import Surface


class UserRoutes:
    """Reads the event store."""

    def __init__(self, surface: Surface) -> None:
        self._store = surface.services.store
        self._catalogue = surface.services.catalogue
        self._access = surface.access

    def history(self, user_id: str) -> Response:
        """The newest entries first."""
        limit = query_parameters(HistoryQuery, this_request()).limit
        self._access.require_user(path_id("user_id", user_id))
        history = self._store.history(user_id)
        return json_answer({
            "user_id": user_id,
            "version": history.version,
            "total": len(history.entries),
            "history": [self._line(entry) for entry in history.entries[::-1][:limit]],
            "searches": list(history.searches[::-1][:limit]),
        })

    def _line(self, entry: HistoryEntry) -> dict[str, object]:
        return {
            **movie_heading(entry.item_id, self._catalogue.movie(entry.item_id)),
            "type": entry.type.value,
            "rating": entry.rating,
            "timestamp": iso_time(entry.timestamp_ms),
            "event_id": entry.event_id,
        }


def register(surface: Surface) -> None:
    """Add these routes."""
    surface.table.topic("users", (
        (Operation("GET", "/users/<user_id>/history", "What a user rated, watched and looked "
                   "at, newest first", Who.CLIENT, HistoryAnswer, query=HistoryQuery,
                   errors=(503,)), UserRoutes(surface).history),
    ))
