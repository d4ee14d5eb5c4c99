"""Fairness, for administrators: requirements and verdicts, groups, tiers, trends."""

from __future__ import annotations

from flask import Response

from web.operations import Who, page
from web.pages import frame
from web.pages.admin.audit_definitions import DEFINITIONS
from web.pages.admin.audit_figures import (
    BADGES,
    FAIRNESS,
    WORDS,
    interval,
    over_retrains,
    requirement_rows,
    summary,
)
from web.surface import Surface

_HERE = "/admin/fairness"
_TRENDS = ("coverage", "gini", "tail_share")


class FairnessPages:
    """Reads the newest report; computes nothing."""

    def __init__(self, surface: Surface) -> None:
        self._audits = surface.services.audits

    def fairness(self) -> Response:
        """The page."""
        report = self._audits.report(FAIRNESS)
        if report is None:
            return frame.page("admin/fairness.html", report=None, definitions=DEFINITIONS)
        times, trends = over_retrains(self._audits.history(), report["model_name"], _TRENDS)
        return frame.page(
            "admin/fairness.html", report=report, rows=requirement_rows(report),
            summary=summary(report), times=times, trends=trends, interval=interval,
            badges=BADGES, words=WORDS, definitions=DEFINITIONS,
            curve_lists=[str(point["lists"]) for point in report["curve"]],
        )  # fmt: skip


def register(surface: Surface) -> None:
    """Add these routes."""
    surface.table.topic("admin_fairness", (
        (page("GET", _HERE, "Requirements of fairness", Who.ADMIN, menu="Fairness"),
         FairnessPages(surface).fairness),
    ))
