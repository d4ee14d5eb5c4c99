"""From the request to checked values: media types, bodies, query parameters, path ids."""

from __future__ import annotations

import re
from typing import Protocol, TypeVar, get_origin

from pydantic import BaseModel
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from recommender.errors import InvalidField
from recommender.schemas import ID_PATTERN, ID_RULE
from web.errors import ProblemError
from web.operations import JSON, NDJSON
from web.request_context import ApiRequest

_Model = TypeVar("_Model", bound=BaseModel)
_ID = re.compile(ID_PATTERN.removesuffix("$") + r"\Z")
IDEMPOTENCY_KEY = "Idempotency-Key"
_CHUNK_BYTES = 65_536
_NDJSON_TYPES = frozenset({NDJSON, "application/jsonl", "application/ndjson"})


class Reader(Protocol):
    """What a request body is read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none when the client is gone."""
        ...


def json_body(request: ApiRequest) -> bytes:
    """The body of a JSON request.

    Raises:
        ProblemError: 415, another media type.
        RequestEntityTooLarge: 413.
    """
    if request.environ.get("CONTENT_TYPE") != JSON and request.mimetype != JSON:
        raise ProblemError(415, f"the body must be {JSON}")
    return _body(request)


def ndjson_body(request: ApiRequest) -> bytes:
    """The body of a request with one JSON object a line; raises as `json_body` does."""
    if request.mimetype not in _NDJSON_TYPES:
        raise ProblemError(415, f"the body must be {NDJSON}")
    return _body(request)


def _body(request: ApiRequest) -> bytes:
    limit = request.max_content_length
    length = request.content_length
    if length is not None:
        if limit is not None and length > limit:
            raise RequestEntityTooLarge
        return _read(request.environ["wsgi.input"], length)
    body = request.get_data(cache=False)
    # Of a body that does not tell its length werkzeug reads as much as the limit and no more:
    # what lies beyond would be lost without a word.
    if limit is not None and len(body) >= limit and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return body


def _read(stream: Reader, length: int) -> bytes:
    """As werkzeug's stream of a limited length reads, at a tenth of its time for a short body.

    Raises:
        ClientDisconnected: 400, less came.
    """
    parts: list[bytes] = []
    missing = length
    while missing:
        try:
            parts.append(stream.read(min(missing, _CHUNK_BYTES)))
        except (OSError, ValueError) as error:
            raise ClientDisconnected from error
        if not parts[-1]:
            raise ClientDisconnected
        missing -= len(parts[-1])
    return b"".join(parts)


def path_id(field: str, value: str) -> str:
    """An id from the path.

    Raises:
        InvalidField: it is no id.
    """
    if not _ID.match(value):
        raise InvalidField(field, ID_RULE)
    return value


def idempotency_key(request: ApiRequest) -> str | None:
    """The Idempotency-Key header, with or without quotes; None when absent.

    Raises:
        InvalidField: it is no id.
    """
    value = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    return None if value is None else path_id(IDEMPOTENCY_KEY, value.strip().strip('"'))


def query_parameters(model: type[_Model], request: ApiRequest) -> _Model:
    """The query parameters, checked; those that the model does not know are ignored.

    Raises:
        InvalidField: one that takes one value is given twice.
        pydantic.ValidationError: one is not acceptable.
    """
    values: dict[str, str | list[str]] = {}
    for name, given in request.args.lists():
        known = model.model_fields.get(name)
        if known is None:
            continue
        if get_origin(known.annotation) in (list, tuple):
            values[name] = given
        elif len(given) > 1:
            raise InvalidField(name, "is given more than once")
        else:
            values[name] = given[0]
    return model.model_validate(values)
