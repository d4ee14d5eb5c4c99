"""Reports as the JSON that is written: what, when, on which data and model, which thresholds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recommender.audit.answers_audit import AnswersReport, VariantTraffic
from recommender.audit.exposure import Tier
from recommender.audit.fairness import FairnessReport
from recommender.audit.loops import LoopReport
from recommender.audit.verdicts import AuditPolicy, AuditStatus, RequirementResult, worst
from recommender.metrics import Measured

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Origin:
    """What a report is about. Times in UTC ms; subject: `candidate`, `serving` or `answers`."""

    generated_ms: int
    subject: str
    data_snapshot_id: str | None
    model_name: str | None
    model_version: str | None
    window: tuple[int, int] | None = None


def fairness_document(
    report: FairnessReport, answers: AnswersReport | None, origin: Origin, policy: AuditPolicy
) -> dict[str, Any]:
    """fairness_analysis_results.json: the lists of a model, and beside them what was answered."""
    document = {
        **_head(origin, report.lists, policy),
        "status": worst(row.status for row in report.requirements if not row.target).value,
        **_fairness(report),
    }
    document["answers"] = None if answers is None else {
        "answers": answers.answers, "answers_dropped": answers.dropped,
        **_fairness(answers.fairness),
        "variants": {traffic.variant: _traffic(traffic) for traffic in answers.variants},
    }  # fmt: skip
    return document


def loops_document(
    answers: AnswersReport, origin: Origin, policy: AuditPolicy,
    over_retrains: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """feedback_loop_analysis_results.json: logged answers over time."""
    loops = answers.loops
    return {
        **_head(origin, loops.lists, policy),
        "status": loops.echo.status.value,
        "answers_dropped": answers.dropped,
        "catalogue": loops.catalogue,
        "requirements": [_echo_requirement(loops, policy)],
        "windows": [dataclasses.asdict(window) for window in loops.echo.windows],
        "starvation": {
            **dataclasses.asdict(loops.starvation),
            "films_a_day": [{"day": instant(day)[:10], "films": films}
                            for day, films in loops.starvation.films_a_day],
        },
        "tiers": _tiers(loops.tiers),
        "popularity_tiers": _tiers(loops.popularity_tiers),
        "new_films": dataclasses.asdict(loops.new_films),
        "over_retrains": over_retrains,
        "notes": list(answers.fairness.notes),
    }  # fmt: skip


def security_document(
    scan: Mapping[str, Any], origin: Origin, counts: Sequence[int]
) -> dict[str, Any]:
    """security_analysis_results.json: the scan of all applied ratings and watches.

    Args:
        counts: events of each user.
    """
    flagged = len(scan["flagged_users"])
    return {
        **_head(dataclasses.replace(origin, window=None), 0, None),
        "thresholds": {"events_per_user": scan["threshold"]},
        "status": (AuditStatus.FAIL if flagged else AuditStatus.PASS).value,
        "requirements": [{
            "name": "events_per_user", "status": (
                AuditStatus.FAIL if flagged else AuditStatus.PASS).value,
            "value": max(counts, default=0), "low": None, "high": None,
            "threshold": scan["threshold"], "at_least": False, "enforced": False, "target": False,
            "lists": 0, "meaning": "events of the most active person; above mean + 3 standard "
                                   "deviations people are flagged",
        }],
        **scan,
    }  # fmt: skip


def history_row(report: FairnessReport, origin: Origin) -> dict[str, Any]:
    """One line of the history over retrains: the values of the requirements."""
    return {
        "generated_at": instant(origin.generated_ms), "subject": origin.subject,
        "model_name": origin.model_name, "model_version": origin.model_version,
        "lists": report.lists,
        "requirements": {row.name: [None if row.measured is None else row.measured.value,
                                    row.status.value] for row in report.requirements},
    }  # fmt: skip


def instant(at_ms: int) -> str:
    """UTC milliseconds in ISO 8601."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _head(origin: Origin, lists: int, policy: AuditPolicy | None) -> dict[str, Any]:
    window = origin.window
    return {
        "schema_version": SCHEMA_VERSION,
        "generated_at": instant(origin.generated_ms),
        "subject": origin.subject,
        "data_snapshot_id": origin.data_snapshot_id,
        "model_name": origin.model_name,
        "model_version": origin.model_version,
        "window": None if window is None else {
            "from": instant(window[0]), "to": instant(window[1])},
        "lists": lists,
        "thresholds": {} if policy is None else _thresholds(policy),
    }  # fmt: skip


def _thresholds(policy: AuditPolicy) -> dict[str, Any]:
    return {**dataclasses.asdict(policy), "enforced": sorted(policy.enforced)}


def _fairness(report: FairnessReport) -> dict[str, Any]:
    return {
        "lists": report.lists, "people": report.people, "k": report.k,
        "catalogue": report.catalogue,
        "requirements": [requirement_document(row) for row in report.requirements],
        "groups": [
            {"family": row.family, "name": row.name, "people": row.people,
             "status": row.status.value, "diversity": _measured(row.diversity),
             "quality": _measured(row.quality), "quality_p": row.quality_p}
            for row in report.groups
        ],
        "shown": {**dataclasses.asdict(report.shown), "tail_share": report.shown.tail_share},
        "tiers": _tiers(report.tiers),
        "popularity_tiers": _tiers(report.popularity_tiers),
        "genres": [dataclasses.asdict(row) for row in report.genres],
        "curve": [dataclasses.asdict(point) for point in report.curve],
        "notes": list(report.notes),
    }  # fmt: skip


def requirement_document(row: RequirementResult) -> dict[str, Any]:
    """A requirement as it stands in the reports."""
    measured = row.measured
    return {
        "name": row.name, "status": row.status.value,
        "value": None if measured is None else measured.value,
        "low": None if measured is None else measured.low,
        "high": None if measured is None else measured.high,
        "threshold": row.threshold, "at_least": row.at_least, "enforced": row.enforced,
        "target": row.target, "lists": row.lists, "meaning": row.meaning,
    }  # fmt: skip


def _echo_requirement(loops: LoopReport, policy: AuditPolicy) -> dict[str, Any]:
    rise = loops.echo.trend
    return requirement_document(RequirementResult(
        "echo", loops.echo.status, None if rise is None else rise.slope, policy.echo_slope_max,
        False, loops.lists, "rise of the Gini from one window to the next, all of equal size",
    )) | {"rising_p": None if rise is None else rise.rising_p}  # fmt: skip


def _traffic(traffic: VariantTraffic) -> dict[str, Any]:
    return {
        "lists": traffic.lists, "people": traffic.people,
        "exposures": traffic.shown.total, "shown_gini": traffic.shown.gini,
        "top_share": traffic.shown.top_share, "tail_share": traffic.shown.tail_share,
        "coverage": traffic.catalogue.coverage, "gini": traffic.catalogue.gini,
        "tiers": _tiers(traffic.catalogue.tiers),
    }  # fmt: skip


def _tiers(tiers: Iterable[Tier]) -> list[dict[str, Any]]:
    return [{**dataclasses.asdict(tier), "amplification": tier.amplification} for tier in tiers]


def _measured(measured: Measured | None) -> dict[str, float | None] | None:
    return None if measured is None else dataclasses.asdict(measured)
