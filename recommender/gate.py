"""Whether a freshly fitted model may be served."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from recommender.evaluate import Evaluation


class GateReason(StrEnum):
    """The short word for a decision, used in metrics and records."""

    FIRST_MODEL = "first_model"
    NOT_WORSE = "not_worse"
    NOT_COMPARED = "not_compared"
    SAME_DATA = "same_data"
    SAME_CONFIGURATION = "same_configuration"
    WORSE_THAN_SERVING = "worse_than_serving"
    REQUIREMENT_FAILED = "requirement_failed"
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
class Verdict:
    """passed, a short reason, a sentence for people, and the NDCG@k values that were compared."""

    passed: bool
    reason: GateReason
    explanation: str
    candidate_ndcg: float | None = None
    serving_ndcg: float | None = None
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """NDCG@k of both sides over the same users.

    serving: of what stands for the serving model, described by `compared_with`. users: who they
    are, for people.
    """

    candidate: float
    serving: float
    compared_with: str
    users: str


def comparison_plan(serving_watermark_ms: int, cut_ms: int) -> ComparisonPlan:
    """How to compare with the serving model fairly.

    A model fitted on rows after the cut has seen the answers and would win unfairly: then its
    configuration is fitted anew on what it was fitted on before, less the answers. Else the model
    itself is judged.
    """
    if serving_watermark_ms <= cut_ms:
        return ComparisonPlan.JUDGE_ARTIFACT
    return ComparisonPlan.REFIT


def judge(candidate: Evaluation, is_finite: bool, comparison: Comparison | GateReason,
          margin: float, is_first: bool) -> Verdict:
    """Decide on one model.

    Args:
        candidate: measures of the model fitted on the training part, on all users.
        is_finite: whether every number of the model is finite.
        comparison: with the serving model, or why there is none, one of `UNCOMPARED`.
        margin: relative loss of NDCG that is allowed, 0.05 for 5 %.
        is_first: no model serves yet.
    """
    if not is_finite:
        return Verdict(False, GateReason.NOT_FINITE, "The model holds numbers that are not finite.")
    if not candidate.n_lists:
        return Verdict(False, GateReason.NO_LISTS,
                       "No user has two films, so there is nothing to judge the model by.")
    if candidate.from_model == 0.0:
        return Verdict(False, GateReason.EMPTY,
                       f"The model has no film to offer for any of {candidate.n_lists} users.")
    if is_first:
        return Verdict(True, GateReason.FIRST_MODEL, "No model serves yet.",
                       candidate.ndcg.value)
    if isinstance(comparison, GateReason):
        return Verdict(True, comparison, UNCOMPARED[comparison], candidate.ndcg.value)
    ndcg, serving = comparison.candidate, comparison.serving
    floor = serving * (1.0 - margin)
    passed = ndcg >= floor
    relation = "at least" if passed else "below"
    explanation = (
        f"NDCG@{candidate.k} {ndcg:.4f} is {relation} {floor:.4f}: {serving:.4f} "
        f"of {comparison.compared_with} less {margin:.0%}, on {comparison.users}."
    )
    reason = GateReason.NOT_WORSE if passed else GateReason.WORSE_THAN_SERVING
    return Verdict(passed, reason, explanation, ndcg, serving, margin)
