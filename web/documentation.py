"""GET /openapi.json, and /docs: the same document as a page without scripts."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response, make_response, redirect, render_template

from web.answers import json_answer
from web.openapi import openapi_document
from web.operations import JSON, Operation, RouteTable, Who
from web.surface import Surface


@dataclass(frozen=True, slots=True)
class Field:
    """A row of a table of parameters or properties."""

    name: str
    kind: str
    needed: bool
    about: str


@dataclass(frozen=True, slots=True)
class Section:
    """An operation as the page shows it; `bodies` and `answers` are (name, fields)."""

    method: str
    path: str
    summary: str
    who: str
    parameters: list[Field]
    body_type: str
    bodies: list[tuple[str, list[Field]]]
    answers: list[tuple[str, str, list[Field]]]
    errors: list[tuple[str, str]]


class DocumentationRoutes:
    """Makes the document once, on the first call, when every route is registered."""

    def __init__(self, table: RouteTable) -> None:
        self._document = _once(lambda: openapi_document(table.operations))

    def openapi(self) -> Response:
        """The document."""
        return json_answer(self._document())

    def docs(self) -> Response:
        """The page."""
        document = self._document()
        nonce = secrets.token_urlsafe(16)
        response = make_response(
            render_template(
                "docs.html", sections=sections(document), info=document["info"], nonce=nonce
            )
        )
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        )
        return response


def sections(document: dict[str, Any]) -> list[Section]:
    """The operations of an OpenAPI document, in its order."""
    schemas = document["components"]["schemas"]
    return [
        _section(schemas, method, path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]


def _section(
    schemas: dict[str, Any], method: str, path: str, described: dict[str, Any]
) -> Section:
    parameters = [
        Field(p["name"], f"{p['in']}, {_kind(p['schema'])}", p["required"],
              p.get("description", ""))
        for p in described["parameters"]
    ]
    taken: dict[str, Any] = described.get("requestBody", {}).get("content", {})
    bodies = [
        _named_fields(schemas, schema)
        for content in taken.values()
        for schema in _alternatives(content["schema"])
    ]
    answers, errors = [], []
    for status, answer in described["responses"].items():
        (media_type, content), = answer["content"].items()
        if media_type.startswith("application/problem"):
            errors.append((status, answer["description"]))
        else:
            name, fields = _named_fields(schemas, content["schema"])
            answers.append((f"{status} {media_type}", name, fields))
    return Section(method.upper(), path, described["summary"], described["x-who"], parameters,
                   ", ".join(taken), bodies, answers, errors)


def _alternatives(schema: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return found


def _named_fields(schemas: dict[str, Any], schema: dict[str, Any]) -> tuple[str, list[Field]]:
    name = schema.get("$ref", "").rpartition("/")[2]
    described = schemas.get(name, schema)
    needed = described.get("required", [])
    return name, [
        Field(field, _kind(value), field in needed, value.get("description", ""))
        for field, value in described.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    bounds = [
        f"{sign} {schema[key]}"
        for key, sign in (("minimum", "≥"), ("maximum", "≤"), ("multipleOf", "step"))
        if key in schema
    ]
    return f"{kind} {', '.join(bounds)}".strip()


def _once(make: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    made: list[dict[str, Any]] = []

    def get() -> dict[str, Any]:
        if not made:
            made.append(make())
        return made[0]

    return get


def register(surface: Surface) -> None:
    """Add these routes."""
    routes = DocumentationRoutes(surface.table)
    surface.table.topic("documentation", (
        (Operation("GET", "/openapi.json", "This document", Who.OPEN, None, answer_type=JSON),
         routes.openapi),
        (Operation("GET", "/docs", "This document as a page", Who.OPEN, None,
                   answer_type="text/html"), routes.docs),
    ))


def at_root(surface: Surface) -> None:
    """Lead from / to the documentation, where no page for visitors is served."""
    surface.table.topic("root", (
        (Operation("GET", "/", "Leads to /docs", Who.OPEN, None, answer_type="text/html"),
         lambda: redirect("/docs")),
    ))
