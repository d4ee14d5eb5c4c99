"""The product's own stack (limiter, metrics, request id, headers) around a constant body."""

from __future__ import annotations

import os

from flask import Flask, Response

from application import compose
from settings import Settings
from web.operations import Operation, Who
from web.surface import Surface


def create() -> Flask:
    """Factory for the server; BENCH_BODY_BYTES is the size of the body."""
    body = b"x" * int(os.environ["BENCH_BODY_BYTES"])

    def constant() -> Response:
        return Response(body, mimetype="application/json")

    def register(surface: Surface) -> None:
        operation = Operation("GET", "/constant", "A constant body", Who.CLIENT, answer=None)
        surface.table.topic("constant", ((operation, constant),))

    return compose(Settings(), [register]).flask
