"""What is known of the request being answered."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, cast

from flask import Request, has_request_context, request
from werkzeug.local import LocalProxy

from recommender.types import ApiKey


class ApiRequest(Request):
    """A request with its id, its start (seconds of the performance counter) and its API key."""

    request_id: str = ""
    started: float = 0.0
    key: ApiKey | None = None


def this_request() -> ApiRequest:
    """The request of this thread, without the proxy (one look-up instead of one per attribute)."""
    return cast(ApiRequest, cast("LocalProxy[Request]", request)._get_current_object())


def add_request_id(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor: puts the request id into what is logged during a request."""
    if has_request_context():
        event.setdefault("request_id", this_request().request_id)
    return event
