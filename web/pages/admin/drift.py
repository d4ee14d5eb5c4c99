"""Whether people do something else than before, for administrators."""

from __future__ import annotations

from flask import Response

from recommender.ports.experiments import ExperimentReports
from web.operations import Who, page
from web.pages import frame
from web.surface import Register, Surface

DRIFT_REPORT = "drift_report"


class DriftPage:
    """Reads the newest report."""

    def __init__(self, reports: ExperimentReports) -> None:
        self._reports = reports

    def drift(self) -> Response:
        """The newest report, test by test."""
        return frame.page("admin/drift.html", report=self._reports.read(DRIFT_REPORT))


def topic(reports: ExperimentReports) -> Register:
    """This page over `reports`, for `create_app`."""

    def register(surface: Surface) -> None:
        surface.table.topic("admin_drift", (
            (page("GET", "/admin/drift", "Drift", Who.ADMIN, menu="Drift"),
             DriftPage(reports).drift),
        ))

    return register
