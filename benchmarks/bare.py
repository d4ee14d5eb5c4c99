"""The yardstick: a Flask route that answers a small JSON, and nothing else."""

from __future__ import annotations

from flask import Flask, Response, jsonify

from app import place_threads
from settings import Settings


def create() -> Flask:
    """Factory for the server; its threads are placed as those of the product."""
    place_threads(Settings())
    app = Flask(__name__)

    @app.get("/bare")
    def bare() -> Response:
        return jsonify(status="ok")

    return app
