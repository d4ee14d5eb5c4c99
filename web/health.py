"""Whether the process lives and can work: GET /health, /healthz and /ready."""

from __future__ import annotations

from flask import Response

from web.answers import HealthAnswer, ReadyAnswer, json_answer
from web.operations import Operation, Who
from web.readiness import NEEDED, OK, Readiness
from web.services import Services
from web.surface import Surface


class HealthRoutes:
    """Answers without a key and without a limit."""

    def __init__(self, services: Services) -> None:
        self._readiness = Readiness(services)
        self._serving = services.serving
        self._now_ms = services.now_ms
        self._started_at_ms = services.now_ms()

    def health(self) -> Response:
        """The process answers; which model serves."""
        now_ms = self._now_ms()
        served = self._serving.current()
        model = None if served is None else {
            "name": served.name,
            "version": served.version_id,
            "git_sha": served.git_sha,
            "data_snapshot_id": served.data_snapshot_id,
            "age_s": (now_ms - served.created_at_ms) / 1000,
        }
        uptime_s = (now_ms - self._started_at_ms) / 1000
        return json_answer({"status": "ok", "uptime_s": uptime_s, "model": model})

    def ready(self) -> Response:
        """503 without store or model; degraded while the bus is away or the outbox refuses."""
        checks = self._readiness.checks()
        if any(checks[name] != OK for name in NEEDED):
            return json_answer({"status": "unavailable", "checks": checks}, 503)
        all_ok = all(check == OK for check in checks.values())
        return json_answer({"status": "ready" if all_ok else "degraded", "checks": checks})


def register(surface: Surface) -> None:
    """Add these routes."""
    routes = HealthRoutes(surface.services)
    alive = "Whether the process answers, and which model serves"
    surface.table.topic("health", (
        (Operation("GET", "/health", alive, Who.OPEN, HealthAnswer, limited=False),
         routes.health),
        (Operation("GET", "/healthz", alive, Who.OPEN, HealthAnswer, limited=False),
         routes.health),
        (Operation("GET", "/ready", "Whether it can work: 503 without store or model",
                   Who.OPEN, ReadyAnswer, limited=False, other_answers=(503,)), routes.ready),
    ))
