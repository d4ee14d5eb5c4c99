"""The first page for administrators: how the program does."""

from __future__ import annotations

from flask import Response

from web.operations import Who, page
from web.pages import frame
from web.surface import Surface


class OverviewRoutes:
    """Reads the state of everything that runs."""

    def __init__(self, surface: Surface) -> None:
        self._services = surface.services

    def overview(self) -> Response:
        """The page."""
        services = self._services
        return frame.page("admin/overview.html", served=services.serving.current(),
                          counts=services.store.counts(), waiting=services.outbox.depth())


def register(surface: Surface) -> None:
    """Add these routes."""
    surface.table.topic("overview", (
        (page("GET", "/admin", "How the program does", Who.ADMIN, menu="Overview"),
         OverviewRoutes(surface).overview),
    ))
