"""The yardstick: a Flask route that answers a small JSON, and nothing else."""

from __future__ import annotations

from flask import Flask, Response, jsonify


def create() -> Flask:
    """Factory for the server."""
    app = Flask(__name__)

    @app.get("/bare")
    def bare() -> Response:
        return jsonify(status="ok")

    return app
