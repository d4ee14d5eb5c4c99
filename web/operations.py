"""The route table: one call registers a route and what the OpenAPI page says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask import Blueprint, Flask
from pydantic import BaseModel

JSON = "application/json"
NDJSON = "application/x-ndjson"


class Who(StrEnum):
    """Who may call: anybody, a client (with a key where keys are required), an administrator."""

    OPEN = "open"
    CLIENT = "client"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route.

    `answer` is the model of the JSON answer, None when the answer is not JSON; then
    `answer_type` tells its media type. `body` is the model of the body, for NDJSON of a line
    (several models: one of them); without `body_required` the query may say the same. `headers`
    are request headers it heeds. `other_answers` are
    further statuses under which `answer` comes. `errors` lists statuses beyond those that follow
    from the rest: 401, 403 and 429 by `who` and `limited`, 422 by query, body and path, 400, 413
    and 415 by body.

    A `page` is for browsers: visitors and administrators are known by their session, forms carry
    a token, errors are pages, and the OpenAPI document leaves it out. `menu` is its name in the
    menu of all pages for the same people.
    """

    method: str
    rule: str
    summary: str
    who: Who
    answer: type[BaseModel] | None
    query: type[BaseModel] | None = None
    body: tuple[type[BaseModel], ...] = ()
    body_type: str = JSON
    body_required: bool = True
    answer_type: str = JSON
    status: int = 200
    headers: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    other_answers: tuple[int, ...] = ()
    limited: bool = True
    page: bool = False
    menu: str | None = None


def page(method: str, rule: str, summary: str, who: Who, menu: str | None = None) -> Operation:
    """A page, or a form of one."""
    return Operation(method, rule, summary, who, None, answer_type="text/html", page=True,
                     menu=menu)


class RouteTable:
    """All operations of an application. `who`, `unlimited` and `pages` are keyed by endpoint."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.operations: list[Operation] = []
        self.who: dict[str, Who] = {"static": Who.OPEN}
        self.unlimited: set[str] = {"static"}
        self.pages: set[str] = set()
        self._page_starts: set[str] = set()

    def topic(
        self, name: str, routes: Iterable[tuple[Operation, Callable[..., Any]]]
    ) -> None:
        """Register the routes of one topic as a blueprint."""
        blueprint = Blueprint(name, __name__)
        for operation, view in routes:
            blueprint.add_url_rule(
                operation.rule, view.__name__, view, methods=[operation.method]
            )
            self.describe(operation, f"{name}.{view.__name__}")
        self._app.register_blueprint(blueprint)

    def describe(self, operation: Operation, endpoint: str) -> None:
        """Enter an operation whose route something else has registered."""
        self.operations.append(operation)
        self.who[endpoint] = operation.who
        if not operation.limited:
            self.unlimited.add(endpoint)
        if operation.page:
            self.pages.add(endpoint)
            self._page_starts.add(_start(operation.rule))

    def is_page(self, path: str) -> bool:
        """Whether pages lie under the first part of this path: known before the route is."""
        return _start(path) in self._page_starts


def _start(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else path
