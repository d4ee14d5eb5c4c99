"""The settings in force and where each comes from; secrets are hidden before they come here."""

from __future__ import annotations

from itertools import groupby

from flask import Response

from web.operations import Who, page
from web.pages import frame
from web.surface import Surface


class SettingPages:
    """Shows what the program was started with."""

    def __init__(self, surface: Surface) -> None:
        self._groups = [
            (group, list(settings))
            for group, settings in groupby(surface.options.settings, key=lambda s: s.group)
        ]

    def settings(self) -> Response:
        """All, by group."""
        return frame.page("admin/settings.html", groups=self._groups)


def register(surface: Surface) -> None:
    """Add these routes."""
    surface.table.topic("admin_settings", (
        (page("GET", "/admin/settings", "Settings in force", Who.ADMIN, menu="Settings"),
         SettingPages(surface).settings),
    ))
