"""The first page for administrators: how the program does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from flask import Response

from recommender.program_state import Condition, PartState
from web.operations import Who, page
from web.pages import frame
from web.pages.admin.remedies import complaints
from web.pages.admin.store_counts import StoreCounts
from web.readiness import NEEDED, OK, Readiness
from web.surface import Surface


class OverviewRoutes:
    """Reads the state of everything that runs."""

    def __init__(self, surface: Surface) -> None:
        self._services = surface.services
        self._readiness = Readiness(surface.services)
        self._counts = StoreCounts(surface.services.store, surface.services.now_ms)

    def overview(self) -> Response:
        """The page."""
        services = self._services
        checks = self._readiness.checks()
        served = services.serving.current()
        now_ms = services.now_ms()
        minutes = services.program.minutes()
        parts = [*_checked(checks), *services.program.parts()]
        return frame.page(
            "admin/overview.html",
            served=served,
            age_s=None if served is None else (now_ms - served.created_at_ms) / 1000,
            counts=self._counts.now(),
            waiting=services.outbox.depth() if checks["outbox"] == OK else None,
            parts=parts, complaints=complaints(parts),
            jobs=services.program.jobs(), now_ms=now_ms,
            minutes=minutes, times=[_clock_time(m.start_ms) for m in minutes],
        )


def _checked(checks: dict[str, str]) -> Iterator[PartState]:
    for name, said in checks.items():
        bad = Condition.BAD if name in NEEDED else Condition.WARN
        well = "serves" if name == "model" else "answers"
        yield PartState(name.capitalize(), Condition.OK if said == OK else bad,
                        well if said == OK else said)


def _clock_time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M}"


def register(surface: Surface) -> None:
    """Add these routes."""
    surface.table.topic("overview", (
        (page("GET", "/admin", "How the program does", Who.ADMIN, menu="Overview"),
         OverviewRoutes(surface).overview),
    ))
