"""The OpenAPI 3.1 document, made from the route table and the models of bodies and answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from recommender.schemas import ID_PATTERN
from web.errors import Problem
from web.operations import JSON, Operation, Who

_REF = "#/components/schemas/{model}"
_PATH_PART = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_PROBLEM = "application/problem+json"
_INTRODUCTION = (
    "Ids are 1 to 128 characters of A-Z a-z 0-9 . _ : - (integers are taken as decimal text). "
    "Errors are problem+json (RFC 9457). Every answer carries X-Request-ID."
)
_Mode = Literal["validation", "serialization"]


def openapi_document(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document as JSON values; paths in the order of the table."""
    table = [operation for operation in operations if not operation.page]
    references, definitions = models_json_schema(
        sorted(set(_models(table)), key=lambda pair: (pair[0].__name__, pair[1])),
        ref_template=_REF,
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in table:
        path = _PATH_PART.sub(r"{\1}", operation.rule)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fairreel", "version": "1", "description": _INTRODUCTION},
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def error_statuses(operation: Operation) -> list[int]:
    """Every status with which the operation can answer a problem."""
    statuses = set(operation.errors) | {500}
    if operation.limited:
        statuses.add(429)
    if operation.who is not Who.OPEN:
        statuses |= {401, 403}
    if operation.body:
        statuses |= {400, 413, 415}
    if operation.body or operation.query or _PATH_PART.search(operation.rule):
        statuses.add(422)
    return sorted(statuses)


def _models(table: list[Operation]) -> Iterator[tuple[type[BaseModel], _Mode]]:
    yield Problem, "serialization"
    for operation in table:
        if operation.answer is not None:
            yield operation.answer, "serialization"
        for body in operation.body:
            yield body, "validation"


def _operation(operation: Operation, references: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "summary": operation.summary,
        "x-who": operation.who.value,
        "parameters": _parameters(operation),
        "responses": _responses(operation, references),
    }
    if operation.body:
        schemas = [references[(body, "validation")] for body in operation.body]
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {operation.body_type: {"schema": schema}},
        }
    if operation.who is Who.OPEN:
        described["security"] = []
    else:
        keys: list[dict[str, list[str]]] = [{"bearer": []}, {"api_key": []}]
        described["security"] = [*keys, {}] if operation.who is Who.CLIENT else keys
    return described


def _operation_id(operation: Operation) -> str:
    words = re.findall(r"[A-Za-z0-9]+", _PATH_PART.sub(r"by \1", operation.rule))
    return "_".join([operation.method.lower(), *(word.lower() for word in words)])


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": ID_PATTERN},
        }
        for name in _PATH_PART.findall(operation.rule)
    ]
    if operation.query is not None:
        schema = operation.query.model_json_schema(mode="validation")
        required = schema.get("required", [])
        for name, described in schema["properties"].items():
            plain = {key: value for key, value in described.items() if key != "title"}
            parameter = {"name": name, "in": "query", "required": name in required}
            if "description" in plain:
                parameter["description"] = plain.pop("description")
            found.append({**parameter, "schema": plain})
    found += [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
        for name in operation.headers
    ]
    return found


def _responses(operation: Operation, references: dict[Any, Any]) -> dict[str, Any]:
    if operation.answer is None:
        schema: dict[str, Any] = {"type": "string"}
    else:
        schema = references[(operation.answer, "serialization")]
    if operation.answer is None and operation.answer_type == JSON:
        schema = {"type": "object"}
    content = {operation.answer_type: {"schema": schema}}
    answers = {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in (operation.status, *operation.other_answers)
    }
    problem = {_PROBLEM: {"schema": references[(Problem, "serialization")]}}
    for status in error_statuses(operation):
        described: dict[str, Any] = {
            "description": HTTPStatus(status).phrase, "content": problem
        }
        if status in (429, 503):
            described["headers"] = {
                "Retry-After": {"description": "seconds", "schema": {"type": "integer"}}
            }
        answers[str(status)] = described
    return answers
