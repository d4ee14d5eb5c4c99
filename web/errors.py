"""The one mapping from errors to answers: problem+json (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response
from flask_limiter import RateLimitExceeded
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.exceptions import NotFound as NotFoundHere
from werkzeug.wrappers import Response as AnyResponse

from recommender.errors import (
    BusUnavailable,
    InvalidField,
    LeaseLost,
    ModelRefused,
    NotFound,
    NothingToTrainOn,
    RolloutConflict,
    StoreUnavailable,
)
from recommender.key_changes import LastAdminKey
from recommender.schemas import ID_PATTERN, ID_RULE
from web.request_context import this_request
from web.strict_json import MalformedJson

_log = structlog.get_logger("web")
_RETRY_S = 5
_TOLD_MAX = 3
_PATH_MAX = 100


class FieldError(BaseModel):
    """One field and what is wrong with it."""

    field: str
    reason: str


class Problem(BaseModel):
    """A problem as RFC 9457 describes it; `instance` names this occurrence by its request id."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldError] = []


class ProblemError(Exception):
    """Ends the request with this answer."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})


def field_errors(error: ValidationError) -> list[FieldError]:
    """What pydantic found, a field name and a reason each."""
    return [
        FieldError(field=".".join(map(str, item["loc"])) or "body", reason=_reason(item))
        for item in error.errors(include_url=False, include_input=False)
    ]


def _reason(item: ErrorDetails) -> str:
    # People need not read a regular expression to know what an id may hold.
    is_id = item.get("ctx", {}).get("pattern") == ID_PATTERN
    return ID_RULE if is_id else item["msg"]


def _in_words(errors: Sequence[FieldError]) -> str:
    told = "; ".join(f"{error.field}: {error.reason}" for error in errors[:_TOLD_MAX])
    return f"{told}; and {len(errors) - _TOLD_MAX} more" if len(errors) > _TOLD_MAX else told


def as_problem(error: Exception) -> ProblemError | None:
    """The answer to an error that is expected; None for one that is not."""
    match error:
        case ProblemError():
            return error
        case ValidationError():
            found = field_errors(error)
            return ProblemError(422, _in_words(found), found)
        case InvalidField(field=name, reason=reason):
            return ProblemError(422, str(error), [FieldError(field=name, reason=reason)])
        case MalformedJson():
            return ProblemError(400, str(error))
        case NotFound():
            return ProblemError(404, str(error))
        case (ModelRefused() | NothingToTrainOn() | LeaseLost() | LastAdminKey()
              | RolloutConflict()):
            return ProblemError(409, str(error))
        case StoreUnavailable(retry_after_s=seconds):
            return ProblemError(
                503, "the store cannot take the work now; nothing was written",
                headers={"Retry-After": str(seconds)},
            )
        case BusUnavailable():
            return ProblemError(
                503, "the message bus does not answer", headers={"Retry-After": str(_RETRY_S)}
            )
        case RateLimitExceeded(limit=limit) if limit is not None:
            return ProblemError(
                429, f"more than {limit.limit}",
                headers={"Retry-After": str(limit.limit.get_expiry())},
            )
        case HTTPException(code=int(code)):
            return ProblemError(code, _described(error), headers=_kept_headers(error))
    return None


def _described(error: HTTPException) -> str:
    """What to do about it: the library's own texts are for visitors of some website."""
    request = this_request()
    match error:
        case NotFoundHere():
            return f"there is nothing at {request.path[:_PATH_MAX]}; all addresses: /docs"
        case MethodNotAllowed(valid_methods=methods):
            allowed = ", ".join(sorted(set(methods or ()) - {"HEAD", "OPTIONS"}))
            return f"not by {request.method}; {request.path[:_PATH_MAX]} takes {allowed}"
        case RequestEntityTooLarge():
            return f"the body is larger than {request.max_content_length} bytes"
    return error.description or ""


def problem_answer(problem: ProblemError) -> Response:
    """The problem as a response."""
    request_id = this_request().request_id
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": f"urn:uuid:{request_id}",
        "request_id": request_id,
        "errors": [error.model_dump() for error in problem.errors],
    }
    return Response(
        json.dumps(body), problem.status, problem.headers, mimetype="application/problem+json"
    )


def register(app: Flask, pages: Collection[str],
             as_page: Callable[[ProblemError], AnyResponse]) -> None:
    """Make every error of the application answer by this mapping; those of pages by `as_page`."""

    def answer(error: Exception) -> AnyResponse | HTTPException:
        problem = _problem(error)
        if isinstance(problem, HTTPException):
            return problem
        if not _wants_page(pages):
            return problem_answer(problem)
        try:
            return as_page(problem)
        except Exception:  # noqa: BLE001 (the request must still be answered)
            _log.exception("problem_page_failed", request_id=this_request().request_id)
            return problem_answer(problem)

    app.register_error_handler(Exception, answer)


def _wants_page(pages: Collection[str]) -> bool:
    request = this_request()
    if request.endpoint is None:  # no such address: people are told by a page, programs are not
        return request.accept_mimetypes.best_match(
            ("application/json", "text/html"), "application/json") == "text/html"
    return request.endpoint in pages


def _problem(error: Exception) -> ProblemError | HTTPException:
    if isinstance(error, HTTPException) and (error.code is None or error.code < 400):
        return error
    problem = as_problem(error)
    if problem is None:
        _log.error(
            "request_failed",
            request_id=this_request().request_id,
            path=this_request().path,
            exc_info=error,
        )
        problem = ProblemError(500, "an unexpected error; it was logged under the request id")
    elif problem.status >= 500:
        _log.warning(
            "request_refused",
            request_id=this_request().request_id,
            status=problem.status,
            reason=str(error),
        )
    return problem


def _kept_headers(error: HTTPException) -> dict[str, str]:
    return {
        name: value
        for name, value in error.get_headers()
        if name.lower() not in ("content-type", "content-length")
    }
