"""What the gate looks at: accuracy and exposure against the serving model, groups of users.

A further requirement is one more function here, or one given beside `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recommender import metrics
from recommender.arrays import Bools, Int64s
from recommender.audit.parity import judge_ratios
from recommender.audit.verdicts import AuditStatus
from recommender.evaluate import Evaluation
from recommender.gate import Check, Comparison, Evidence, Finding, GateReason
from recommender.metrics import Measured
from recommender.split import LEAST_USERS


def accuracy(evidence: Evidence) -> Iterator[Finding]:
    """NDCG@k against the serving model, user by user.

    Refused is a model that loses more than the margin, unless the 95 % interval of the paired
    difference reaches up to 0, so that the loss may be chance. With fewer than `LEAST_USERS`
    users no interval is to be believed, and the means alone decide.
    """
    comparison = evidence.comparison
    if isinstance(comparison, GateReason):
        return
    ours = comparison.candidate.list_gains[comparison.rows]
    theirs = comparison.serving.list_gains
    difference = metrics.paired_difference(ours, theirs)
    ndcg, serving, margin = ours.mean(), theirs.mean(), evidence.bounds.ndcg_margin
    floor = serving * (1.0 - margin)
    within = bool(ndcg >= floor)
    passed = within or _may_be_chance(difference, len(ours), upwards=True)
    reason = GateReason.NOT_WORSE if within else GateReason.LOSS_NOT_CERTAIN
    chance = " The loss may be chance." if passed and not within else ""
    yield Finding(
        "accuracy", passed, reason if passed else GateReason.WORSE_THAN_SERVING,
        f"NDCG@{comparison.candidate.k} {ndcg:.4f} is {'at least' if within else 'below'} "
        f"{floor:.4f}: {serving:.4f} of {comparison.compared_with} less {margin:.0%}; "
        f"difference {_interval(difference)}.{chance} Judged on {comparison.users}.",
        difference, float(floor - serving))


def coverage(evidence: Evidence) -> Iterator[Finding]:
    """Share of the active catalogue shown to the same users, against the serving model."""
    yield from _exposure(evidence, "coverage", metrics.coverage, GateReason.COVERAGE_FELL,
                         -evidence.bounds.coverage_margin)


def gini(evidence: Evidence) -> Iterator[Finding]:
    """Gini of the exposure over the active catalogue, against the serving model."""
    yield from _exposure(evidence, "gini", metrics.gini, GateReason.GINI_ROSE,
                         evidence.bounds.gini_margin)


def groups(evidence: Evidence) -> Iterator[Finding]:
    """No group of users certain to be far below the mean, unless the serving model has it so too.

    Certain is what the audit calls certain (`parity.judge_ratios`): also among so many groups.
    A group that is hard for every model would else keep all of them out. Without a serving model
    to hold it against, it is only noted.
    """
    found = evidence.candidate
    large = {name: members for name, members in evidence.groups.items()
             if members.sum() >= LEAST_USERS}
    judged = judge_ratios(found.list_gains, list(large.values()), evidence.bounds.group_floor)
    for (name, members), (status, ratio, _) in zip(large.items(), judged, strict=True):
        if ratio is None or status is AuditStatus.INSUFFICIENT_DATA:
            continue
        far_below = status is AuditStatus.FAIL
        before = _ratio_before(evidence.comparison, members) if far_below else None
        passed = not far_below or before is None or ratio.value >= before * (
            1.0 - evidence.bounds.ndcg_margin)
        as_before = "" if before is None else f" ({before:.2f} by the serving model)"
        yield Finding(
            f"group {name}", passed,
            GateReason.WITHIN_BOUNDS if passed else GateReason.GROUP_FAR_BELOW,
            f"NDCG@{found.k} of the group {name} ({members.sum()} users) is {_interval(ratio)} of "
            f"the mean{as_before}, {'not ' if passed else ''}certainly below "
            f"{evidence.bounds.group_floor:.2f}"
            f"{' through this model' if far_below and passed else ''}.",
            ratio, evidence.bounds.group_floor)


CHECKS: tuple[Check, ...] = (accuracy, coverage, gini, groups)


def _exposure(evidence: Evidence, name: str, measure: Callable[[Int64s], float],
              refusal: GateReason, bound: float) -> Iterator[Finding]:
    comparison = evidence.comparison
    if isinstance(comparison, GateReason):
        return
    ours, n_items = comparison.candidate.shown[comparison.rows], comparison.candidate.active_items
    difference = metrics.paired_exposure_difference(
        ours, comparison.serving.shown, n_items, measure)
    falls = bound < 0
    within = difference.value >= bound if falls else difference.value <= bound
    passed = within or _may_be_chance(difference, len(ours), upwards=falls)
    mine = measure(metrics.exposures_of(ours, n_items))
    yield Finding(
        name, passed, GateReason.WITHIN_BOUNDS if passed else refusal,
        f"{name.capitalize()}@{comparison.candidate.k} of {len(ours)} lists is {mine:.3f}, "
        f"{_interval(difference)} against {comparison.compared_with}; "
        f"{bound:+.3f} {'is' if within else 'would be'} allowed"
        f"{', but it may be chance' if passed and not within else ''}.",
        difference, bound)


def _may_be_chance(difference: Measured, n: int, upwards: bool) -> bool:
    """Whether the interval reaches 0 from the bad side, where there are users enough for one."""
    if n < LEAST_USERS or difference.low is None or difference.high is None:
        return False
    return difference.high >= 0 if upwards else difference.low <= 0


def _ratio_before(comparison: Comparison | GateReason, members: Bools) -> float | None:
    """The group's share of the mean under the serving model, None where that is not known."""
    if isinstance(comparison, GateReason):
        return None
    judged = members[comparison.rows]
    serving: Evaluation = comparison.serving
    if not judged.any() or serving.ndcg.value <= 0:
        return None
    return serving.ndcg_of(judged) / serving.ndcg.value


def _interval(measured: Measured) -> str:
    if measured.low is None or measured.high is None:
        return f"{measured.value:.4f}"
    return f"{measured.value:.4f} [{measured.low:.4f}, {measured.high:.4f}]"
