"""Whether a freshly fitted model may take the place of the one that serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from recommender.arrays import Bools
from recommender.evaluate import Evaluation
from recommender.metrics import Measured


class GateReason(StrEnum):
    """The short word for a decision, used in metrics and records."""

    FIRST_MODEL = "first_model"
    NOT_WORSE = "not_worse"
    LOSS_NOT_CERTAIN = "loss_not_certain"
    NOT_COMPARED = "not_compared"
    SAME_DATA = "same_data"
    SAME_CONFIGURATION = "same_configuration"
    WITHIN_BOUNDS = "within_bounds"
    WORSE_THAN_SERVING = "worse_than_serving"
    COVERAGE_FELL = "coverage_fell"
    GINI_ROSE = "gini_rose"
    GROUP_FAR_BELOW = "group_far_below"
    NO_LISTS = "no_lists"
    EMPTY = "empty"
    NOT_FINITE = "not_finite"


UNCOMPARED = {
    GateReason.NOT_COMPARED: "This model is not compared with the serving one.",
    GateReason.SAME_DATA: "The serving model has the same settings and was fitted on the same "
                          "data, so there is nothing to compare.",
    GateReason.SAME_CONFIGURATION: "Not compared: the serving model has the same settings, and "
                                   "the data that it was fitted on is no longer there.",
}
"""Why a model passes that is compared with none."""


class ComparisonPlan(StrEnum):
    """What stands for the serving model in a comparison."""

    JUDGE_ARTIFACT = "judge_artifact"
    REFIT = "refit"


@dataclass(frozen=True, slots=True)
class GateBounds:
    """What the gate lets pass.

    ndcg_margin: relative loss of NDCG against the serving model, .05 for 5 %. coverage_margin,
    gini_margin: by how much coverage may fall and Gini rise against it, as a difference.
    group_floor: share of the mean NDCG below which no group of users may certainly be.
    """

    ndcg_margin: float = 0.05
    coverage_margin: float = 0.05
    gini_margin: float = 0.05
    group_floor: float = 0.5


@dataclass(frozen=True, eq=False)
class Comparison:
    """Both sides on the same users, in the same order.

    rows: bool of shape (n_lists of the candidate,), which of its lists are judged. candidate: on
    all users. serving: of what stands for the serving model, on the judged ones; `compared_with`
    says what that is. users: who the judged are, for people.
    """

    rows: Bools
    candidate: Evaluation
    serving: Evaluation
    compared_with: str
    users: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the gate decides by.

    candidate: measures of the model fitted on the training part, on all users of the split.
    comparison: with the serving model, or why there is none, one of `UNCOMPARED`.
    is_finite: whether every number of the model is finite. is_first: no model serves yet.
    groups: bool of shape (n_lists,) by name, who of the users belongs to each group.
    """

    candidate: Evaluation
    comparison: Comparison | GateReason
    is_finite: bool
    is_first: bool
    bounds: GateBounds = field(default_factory=GateBounds)
    groups: Mapping[str, Bools] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    check: what was looked at, for people. reason: a short word, a `GateReason` or one of another
    check's own. measured: what the decision is by, bound: what it was held against.
    """

    check: str
    passed: bool
    reason: str
    explanation: str
    measured: Measured | None = None
    bound: float | None = None


Check = Callable[[Evidence], Iterable[Finding]]
"""Pure. Each finding that did not pass refuses the model."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """passed, a short reason, a sentence for people, the NDCG@k values that were compared.

    findings: of every check that was made; those that did not pass are the refusals.
    """

    passed: bool
    reason: str
    explanation: str
    candidate_ndcg: float | None = None
    serving_ndcg: float | None = None
    margin: float | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def refusals(self) -> tuple[str, ...]:
        """The short word of each finding that refuses the model, each once."""
        words = [finding.reason for finding in self.findings if not finding.passed]
        return tuple(dict.fromkeys(words)) or (() if self.passed else (self.reason,))


def comparison_plan(serving_watermark_ms: int, cut_ms: int) -> ComparisonPlan:
    """How to compare with the serving model fairly.

    A model fitted on rows after the cut has seen the answers and would win unfairly: then its
    configuration is fitted anew on what it was fitted on before, less the answers. Else the model
    itself is judged.
    """
    if serving_watermark_ms <= cut_ms:
        return ComparisonPlan.JUDGE_ARTIFACT
    return ComparisonPlan.REFIT


def judge(evidence: Evidence, checks: Sequence[Check]) -> Verdict:
    """Decide on one model by all checks; a degenerate model is refused before any.

    Args:
        checks: such as `gate_checks.CHECKS`.
    """
    candidate = evidence.candidate
    degenerate = degeneration(candidate, evidence.is_finite)
    if degenerate is not None:
        return degenerate
    findings = tuple(finding for check in checks for finding in check(evidence))
    refusals = [finding for finding in findings if not finding.passed]
    if evidence.is_first and not refusals:
        return Verdict(True, GateReason.FIRST_MODEL, "No model serves yet.",
                       candidate.ndcg.value, findings=findings)
    if isinstance(evidence.comparison, GateReason) and not refusals:
        return Verdict(True, evidence.comparison, UNCOMPARED[evidence.comparison],
                       candidate.ndcg.value, findings=findings)
    said = refusals or findings[:1]
    explanation = " ".join(finding.explanation for finding in said)
    ndcg, serving, margin = candidate.ndcg.value, None, None
    if isinstance(evidence.comparison, Comparison):
        comparison = evidence.comparison
        ndcg = comparison.candidate.ndcg_of(comparison.rows)
        serving, margin = comparison.serving.ndcg.value, evidence.bounds.ndcg_margin
    return Verdict(not refusals, said[0].reason if said else GateReason.NOT_COMPARED, explanation,
                   ndcg, serving, margin, findings)


def degeneration(candidate: Evaluation, is_finite: bool) -> Verdict | None:
    """The refusal of a model that can't be judged at all, None for any other."""
    reason, explanation = None, ""
    if not is_finite:
        reason = GateReason.NOT_FINITE
        explanation = "The model holds numbers that are not finite."
    elif not candidate.n_lists:
        reason = GateReason.NO_LISTS
        explanation = "No user has two films, so there is nothing to judge the model by."
    elif candidate.from_model == 0.0:
        reason = GateReason.EMPTY
        explanation = f"The model has no film to offer for any of {candidate.n_lists} users."
    return None if reason is None else Verdict(False, reason, explanation)
