"""What an audit tells Prometheus."""

from __future__ import annotations

from recommender.audit.answers_audit import AnswersReport
from recommender.audit.fairness import FairnessReport
from recommender.audit.verdicts import AuditStatus
from recommender.ports import AuditGauge

STATUS_VALUES = {AuditStatus.PASS: 1.0, AuditStatus.FAIL: 0.0}


def fairness_gauges(report: FairnessReport, variant: str) -> list[AuditGauge]:
    """Values and verdicts of the requirements; those without a verdict are left out."""
    own = {"variant": variant}
    found = [AuditGauge("reco_audit_lists", own, float(report.lists))]
    for row in report.requirements:
        if row.measured is not None and (name := _NAMES.get(row.name)):
            scope = {} if name != "reco_exposure_gini" else {"scope": _SCOPES[row.name]}
            found.append(AuditGauge(name, own | scope, row.measured.value))
        if row.threshold is not None and (passed := STATUS_VALUES.get(row.status)) is not None:
            found.append(AuditGauge(
                "reco_requirement_passed", own | {"requirement": row.name}, passed))
    return found


def answers_gauges(report: AnswersReport) -> list[AuditGauge]:
    """Exposure of each variant as answered, and the feedback loops of all."""
    found = []
    for traffic in report.variants:
        own = {"variant": traffic.variant}
        found += [
            AuditGauge("reco_exposure_gini", own | {"scope": "shown"}, traffic.shown.gini),
            AuditGauge("reco_exposure_gini", own | {"scope": "catalogue"}, traffic.catalogue.gini),
            AuditGauge("reco_tail_share", own, traffic.shown.tail_share),
            AuditGauge("reco_catalog_coverage", own, traffic.catalogue.coverage),
            AuditGauge("reco_top_share", own, traffic.shown.top_share),
            AuditGauge("reco_audit_lists", own, float(traffic.lists)),
        ]
    loops = report.loops
    found.append(AuditGauge("reco_starvation_index", {}, loops.starvation.index))
    if loops.echo.trend is not None:
        found.append(AuditGauge("reco_echo_slope", {}, loops.echo.trend.slope.value))
        found.append(AuditGauge("reco_echo_flagged", {},
                                float(loops.echo.status is AuditStatus.FAIL)))
    return found


_NAMES = {
    "coverage": "reco_catalog_coverage", "gini": "reco_exposure_gini",
    "shown_gini": "reco_exposure_gini", "tail_share": "reco_tail_share",
    "top_share": "reco_top_share", "diversity": "reco_intra_list_diversity",
}  # fmt: skip
_SCOPES = {"gini": "catalogue", "shown_gini": "shown"}
