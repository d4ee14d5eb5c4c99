"""What a report does to a model that the gate has passed."""

from __future__ import annotations

from dataclasses import replace

from recommender.audit.fairness import FairnessReport
from recommender.gate import GateReason, Verdict


def enforced(verdict: Verdict, report: FairnessReport) -> Verdict:
    """The verdict, turned into a refusal when an enforced requirement fails; the report is why.

    Coverage and Gini are not looked at here: the gate holds them against the serving model.
    """
    refusals = [row for row in report.requirements if row.refuses]
    if not verdict.passed or not refusals:
        return verdict
    reasons = [
        f"{row.name} is {0.0 if row.measured is None else row.measured.value:.3f}, required is "
        f"{'at least' if row.at_least else 'at most'} {row.threshold:g}" for row in refusals
    ]
    explanation = f"Refused by the audit of {report.lists} lists: {'; '.join(reasons)}."
    return replace(verdict, passed=False, reason=GateReason.REQUIREMENT_FAILED,
                   explanation=f"{explanation} {verdict.explanation}".strip())
