"""For every answer: a request id, security headers, a count and a time; and GET /metrics."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from flask import Flask, Response
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics

from recommender.ports import Telemetry
from web.operations import Operation, RouteTable, Who
from web.request_context import ApiRequest, this_request

UNMATCHED = "unmatched"
_CSP = "Content-Security-Policy"
_PAGE_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)


class RequestMetrics:
    """What comes first and what comes last in every request."""

    def __init__(self, telemetry: Telemetry, new_id: Callable[[], str]) -> None:
        self._count = telemetry.request
        self._new_id = new_id

    def begin(self, request: ApiRequest) -> None:
        """Start the clock and name the request."""
        request.started = perf_counter()
        request.request_id = self._new_id()

    def finish(self, response: Response) -> Response:
        """Complete the headers and count the answer, also 404, 405, 429 and 500."""
        request = this_request()
        headers = response.headers
        add = headers.add
        add("X-Request-ID", request.request_id)
        add("X-Content-Type-Options", "nosniff")
        add("X-Frame-Options", "DENY")
        add("Referrer-Policy", "no-referrer")
        if headers.get("Content-Type", "").startswith("text/html") and _CSP not in headers:
            add(_CSP, _PAGE_POLICY)
        rule = request.url_rule
        self._count(
            UNMATCHED if rule is None else rule.rule,
            response.status_code,
            perf_counter() - request.started,
        )
        return response


def register_exporter(app: Flask, table: RouteTable, registry: CollectorRegistry) -> None:
    """Serve `registry` under /metrics."""
    exporter = PrometheusMetrics(app=None, export_defaults=False, registry=registry)
    exporter.init_app(app)
    table.describe(
        Operation("GET", "/metrics", "All metrics, in Prometheus' text format", Who.OPEN,
                  answer=None, answer_type="text/plain", limited=False),
        "prometheus_metrics",
    )
