"""The product's own stack (limiter, metrics, request id, headers) around a constant body."""

from __future__ import annotations

import os

from flask import Flask, Response

from app import place_threads
from application import compose
from settings import Settings
from web.operations import Operation, Who
from web.surface import Surface

PATH = "/constant"


def create() -> Flask:
    """Factory for the server; BENCH_BODY_BYTES is the size of the body."""
    body = b"x" * int(os.environ["BENCH_BODY_BYTES"])

    def constant() -> Response:
        return Response(body, mimetype="application/json")

    def register(surface: Surface) -> None:
        surface.table.topic("constant", (
            (Operation("GET", PATH, "A constant body", Who.CLIENT, answer=None), constant),
        ))

    settings = Settings()
    return compose(settings, [register], place_threads(settings)).flask
