"""The product's own stack (limiter, metrics, request id, headers) around a constant body."""

from __future__ import annotations

import os

from flask import Flask, Response

from application import compose
from settings import Settings
from web.operations import Operation, Who
from web.surface import Surface

PATH = "/constant"
PATH_IN_TURN = "/recommend/constant/body"  # under the prefix of the calls that take turns


def create() -> Flask:
    """Factory for the server; BENCH_BODY_BYTES is the size of the body."""
    body = b"x" * int(os.environ["BENCH_BODY_BYTES"])

    def constant() -> Response:
        return Response(body, mimetype="application/json")

    def constant_in_turn() -> Response:
        return Response(body, mimetype="application/json")

    def register(surface: Surface) -> None:
        about = "A constant body"
        surface.table.topic("constant", (
            (Operation("GET", PATH, about, Who.CLIENT, answer=None), constant),
            (Operation("GET", PATH_IN_TURN, about, Who.CLIENT, answer=None), constant_in_turn),
        ))

    return compose(Settings(), [register]).flask
