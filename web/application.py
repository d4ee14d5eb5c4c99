"""Makes the Flask application from services and plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flask import Flask, Request
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import MapAdapter

from web import catalogue, documentation, errors, events, health, models, traces, users
from web.access import Access
from web.identifiers import Identifiers
from web.limits import AddressLimits
from web.operations import RouteTable
from web.pages import login, sessions
from web.pages.admin import (
    audit,
    erase,
    fairness,
    keys,
    loop_simulation,
    loops,
    overview,
    settings,
    trace,
)
from web.pages.admin import events as admin_events
from web.pages.admin import models as admin_models
from web.pages.frame import Frame
from web.reading import IDEMPOTENCY_KEY
from web.request_context import ApiRequest, this_request
from web.request_metrics import RequestMetrics, register_exporter, with_common_headers
from web.services import Services, WebOptions
from web.surface import Register, Surface
from web.whole_response import WholeResponse

_ROOT = Path(__file__).resolve().parent.parent
_STATIC_KEPT_S = 365 * 24 * 3600
TOPICS: tuple[Register, ...] = (
    events.register,
    catalogue.register,
    users.register,
    traces.register,
    models.register,
    health.register,
    documentation.register,
    login.register,
    overview.register,
    admin_models.register,
    fairness.register,
    loops.register,
    loop_simulation.register,
    admin_events.register,
    trace.register,
    keys.register,
    erase.register,
    settings.register,
    audit.register,
)


class Application(Flask):
    """Flask without coroutines, and for any host name: no route asks for one."""

    request_class = ApiRequest
    response_class = WholeResponse

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is: asking each hook and view whether it is async takes 1 us each."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What finds the route of a request: as Flask's where neither TRUSTED_HOSTS nor SERVER_NAME
        is set, with the host read once instead of twice."""
        if request is None:
            return super().create_url_adapter(None)
        environ = request.environ
        return MapAdapter(self.url_map, request.host, environ.get("SCRIPT_NAME") or "/", "",
                          request.scheme, request.path, request.method,
                          request.query_string.decode(errors="replace"))


def create_app(
    services: Services, options: WebOptions, further_topics: Iterable[Register] = (),
) -> Flask:
    """The application; `further_topics` add their routes after those of `TOPICS`."""
    app = Application("fairreel", root_path=str(_ROOT))
    app.config["MAX_CONTENT_LENGTH"] = options.request_body_max_bytes
    # The addresses of static files change with their content (`Frame`).
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = _STATIC_KEPT_S
    table = RouteTable(app)
    identifiers = Identifiers(services.now_ms)
    limits = AddressLimits(app, options, table.unlimited, services.telemetry, services.now_ms)
    sessions.configure(app, options, table.is_page)
    admin = sessions.AdminSession(services.api_keys, services.now_ms, options.session_s)
    access = Access(table, services.api_keys, services.audit_log,
                    options.client_keys_required, services.now_ms, admin.key)
    metrics = RequestMetrics(services.telemetry, identifiers.new)

    @app.before_request
    def admit() -> None:
        request = this_request()
        metrics.begin(request)
        limits.check(request)
        access.check(request)

    app.after_request(metrics.finish)
    errors.register(app, table.pages, Frame(app, table).problem)
    surface = Surface(table, services, options, access, limits, identifiers.in_order, admin)
    for register in (*TOPICS, *further_topics):
        register(surface)
    register_exporter(app, table, services.metrics_registry)
    if options.cors_origins:
        CORS(app, origins=list(options.cors_origins),
             allow_headers=["Authorization", "Content-Type", "X-API-Key", IDEMPOTENCY_KEY],
             expose_headers=["X-Request-ID", "Retry-After"])
    app.wsgi_app = with_common_headers(app.wsgi_app)  # type: ignore[method-assign,assignment]
    if options.trusted_proxies:
        hops = options.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    return app
