"""For every answer: a request id, security headers, a count and a time; and GET /metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import Flask, Response
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics

from recommender.ports import Telemetry
from web.operations import Operation, RouteTable, Who
from web.request_context import ApiRequest, this_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNMATCHED = "unmatched"
_REQUEST_ID = "fairreel.request_id"
_SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
)
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
        request.environ[_REQUEST_ID] = request.request_id = self._new_id()

    def finish(self, response: Response) -> Response:
        """Set a page's policy, and count the answer, also 404, 405, 429 and 500."""
        request = this_request()
        if response.mimetype == "text/html" and _CSP not in response.headers:
            response.headers.add(_CSP, _PAGE_POLICY)
        rule = request.url_rule
        self._count(
            UNMATCHED if rule is None else rule.rule,
            response.status_code,
            perf_counter() - request.started,
        )
        return response


def with_common_headers(app: WSGIApplication) -> WSGIApplication:
    """Add the request id and the security headers to every answer.

    Here, because Headers checks and copies each header twice: 12 us less than in `finish`.
    """

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            headers.append(("X-Request-ID", environ.get(_REQUEST_ID, "")))
            headers.extend(_SECURITY_HEADERS)
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return wrapped


def register_exporter(app: Flask, table: RouteTable, registry: CollectorRegistry) -> None:
    """Serve `registry` under /metrics."""
    exporter = PrometheusMetrics(app=None, export_defaults=False, registry=registry)
    exporter.init_app(app)
    table.describe(
        Operation("GET", "/metrics", "All metrics, in Prometheus' text format", Who.OPEN,
                  answer=None, answer_type="text/plain", limited=False),
        "prometheus_metrics",
    )
