"""What an audit leaves behind: reports, pictures, history, gauges as lines for who waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.outputs import OutputFolder
from recommender.audit.answers_audit import AnswersReport
from recommender.audit.documents import Origin, fairness_document, loops_document
from recommender.audit.echo import judge_series
from recommender.audit.fairness import FairnessReport
from recommender.audit.verdicts import AuditPolicy
from recommender.ports import AuditGauge
from settings import Settings

FAIRNESS = "fairness_analysis_results"
LOOPS = "feedback_loop_analysis_results"
SECURITY = "security_analysis_results"


def policy_of(settings: Settings) -> AuditPolicy:
    """The requirements as set."""
    return AuditPolicy(
        settings.audit_coverage_min, settings.audit_gini_max, settings.audit_diversity_parity_max,
        settings.audit_diversity_min, settings.audit_tail_share_min, settings.audit_shown_gini_max,
        settings.audit_top_share_max, settings.audit_quality_ratio_min,
        settings.audit_echo_slope_max, settings.audit_lists, settings.audit_group_least,
        frozenset(name.value for name in settings.audit_enforced),
    )  # fmt: skip


def write_fairness(
    outputs: OutputFolder, report: FairnessReport, answers: AnswersReport | None, origin: Origin,
    policy: AuditPolicy, pictures: bool,
) -> dict[str, Any]:  # fmt: skip
    """The report of a model's lists; without new answers those of the report before stay in it."""
    document = fairness_document(report, answers, origin, policy)
    before = outputs.report(FAIRNESS) or {}
    if answers is None:
        document["answers"] = before.get("answers")
    if before.get("model_version") == origin.model_version:
        carry_quality(document, before)
    outputs.write_report(FAIRNESS, document)
    if pictures:
        from recommender.audit import plots

        outputs.write_picture("fairness_popularity_bias",
                              plots.popularity_bias(document, report.exposures.tolist()))
        outputs.write_picture("fairness_model_parity", plots.model_parity(document))
    return document


def carry_quality(document: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Take over the quality of groups, which only a training can measure, for the same model."""
    old = {(row["family"], row["name"]): row for row in before["groups"]}
    for row in document["groups"]:
        known = old.get((row["family"], row["name"]))
        if row["quality"] is None and known is not None and known["quality"] is not None:
            row["quality"], row["status"] = known["quality"], known["status"]
            row["quality_p"] = known.get("quality_p")
    rows = {row["name"]: row for row in before["requirements"]}
    document["requirements"] = [
        rows[row["name"]] if row["name"] == "quality_parity" and row["value"] is None else row
        for row in document["requirements"]
    ]


def write_loops(
    outputs: OutputFolder, answers: AnswersReport, origin: Origin, policy: AuditPolicy,
    pictures: bool,
) -> dict[str, Any]:  # fmt: skip
    """The report of logged answers over time, and of the figures over retrains."""
    history = of_model(outputs.history(), origin.model_name)
    document = loops_document(answers, origin, policy, over_retrains(history, policy))
    outputs.write_report(LOOPS, document)
    if pictures:
        from recommender.audit import plots

        outputs.write_picture("feedback_loop_popularity_echo",
                              plots.popularity_echo(document, history))
        outputs.write_picture("feedback_loop_tail_starvation",
                              plots.tail_starvation(document, answers.loops.popularity_tiers))
    return document


def of_model(history: Sequence[Mapping[str, Any]], name: str | None) -> list[Mapping[str, Any]]:
    """The rows of one model name."""
    return [row for row in history if row["model_name"] == name]


def over_retrains(history: Sequence[Mapping[str, Any]], policy: AuditPolicy) -> dict[str, Any]:
    """Whether the Gini of the published models rises from one to the next."""
    values = [value for row in history
              if (value := row["requirements"].get("gini", [None])[0]) is not None]
    status, rise = judge_series(values, policy.echo_slope_max)
    return {
        "models": len(values), "status": status.value,
        "slope": None if rise is None else rise.slope.value,
        "rising_p": None if rise is None else rise.rising_p,
    }  # fmt: skip


def gauges_line(gauges: Sequence[AuditGauge]) -> list[list[object]]:
    """Gauges as they stand in a line of a child."""
    return [[gauge.name, gauge.labels, gauge.value] for gauge in gauges]
