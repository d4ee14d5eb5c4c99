"""Feedback loops, for administrators: windows of logged lists, starvation, amplification."""

from __future__ import annotations

from flask import Response

from web.operations import Who, page
from web.pages import frame
from web.pages.admin.audit_definitions import DEFINITIONS
from web.pages.admin.audit_figures import BADGES, LOOPS, WORDS, interval
from web.surface import Surface

_HERE = "/admin/loops"
_DEFINED = ("echo", "starvation", "amplification", "new_films", "gini", "tail_share")


class LoopPages:
    """Reads the newest report; computes nothing."""

    def __init__(self, surface: Surface) -> None:
        self._audits = surface.services.audits

    def loops(self) -> Response:
        """The page."""
        report = self._audits.report(LOOPS)
        definitions = [one for one in DEFINITIONS if one.name in _DEFINED]
        if report is None:
            return frame.page("admin/loops.html", report=None, definitions=definitions)
        return frame.page(
            "admin/loops.html", report=report, echo=report["requirements"][0],
            definitions=definitions, interval=interval, badges=BADGES, words=WORDS,
            window_names=[str(n) for n in range(1, len(report["windows"]) + 1)],
        )  # fmt: skip


def register(surface: Surface) -> None:
    """Add these routes."""
    surface.table.topic("admin_loops", (
        (page("GET", _HERE, "Feedback loops", Who.ADMIN, menu="Loops"), LoopPages(surface).loops),
    ))
