"""What a canary does next: more users, wait, or back. Pure; looking at any time is allowed.

Each metric is tested one-sidedly by a confidence sequence of the difference between candidate and
stable model (`sequential`). It is a regression when even the least difference that the sequence
allows is worse than tolerated, and safe when the worst one is within the margin. One regression
rolls back; promotion needs every metric safe.

The probability to roll back a candidate that is no worse, ever, over all metrics, steps and looks,
is at most `alpha`: each metric at each judged step gets an equal part of it (Bonferroni), and each
step is judged on its own requests. Promotion needs all metrics at once (an intersection-union
test), so that a candidate which is worse by the margin in one passes a step with a probability of
at most `alpha`, however many metrics there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from recommender.experiments.arm_sums import ArmSums
from recommender.experiments.canary_metrics import CANARY_METRICS, CanaryMetric
from recommender.experiments.sequential import one_sided_radius

USERS_MIN = 50
"""Users an arm before a metric is judged."""
ALPHA = 0.05
STEPS = (5.0, 25.0, 50.0, 100.0)


class Verdict(StrEnum):
    """What is known of one metric."""

    REGRESSION = "regression"
    SAFE = "safe"
    OPEN = "open"
    TOO_FEW = "too_few"


class Act(StrEnum):
    """What the canary does."""

    PROMOTE = "promote"
    HOLD = "hold"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One metric: how much worse the candidate is (negative: better), at least and at most.

    The bounds hold for all times; `at_least` and `at_most` are None while there is too little.
    """

    metric: str
    stable: float | None
    candidate: float | None
    worse_by: float | None
    at_least: float | None
    at_most: float | None
    tolerance: float
    margin: float
    verdict: Verdict
    users: tuple[int, int]


@dataclass(frozen=True, slots=True)
class CanaryDecision:
    """What to do and why, in a sentence, with what it rests on."""

    act: Act
    reason: str
    judgements: tuple[Judgement, ...]


def judge(metric: CanaryMetric, stable: ArmSums, candidate: ArmSums, alpha_regression: float,
          alpha_safe: float, users_min: int = USERS_MIN) -> Judgement:
    """One metric, looked at once more."""
    per_value = metric.users_per_value
    users = (per_value * stable.users, per_value * candidate.users)
    least = users_min if metric.values_min is None else metric.values_min
    if min(stable.users, candidate.users) < least or stable.mean is None or candidate.mean is None:
        return Judgement(metric.name, stable.mean, candidate.mean, None, None, None,
                         *metric.in_units(stable.mean or 0.0), Verdict.TOO_FEW, users)
    tolerance, margin = metric.in_units(stable.mean)
    worse_by = metric.worse * (candidate.mean - stable.mean)
    variance = sum(_with_prior(metric, arm).variance for arm in (stable, candidate))
    # The larger the difference that matters, the earlier it is to be seen.
    scale = max(margin, 1e-9)
    at_least = worse_by - one_sided_radius(variance, scale, alpha_regression)
    at_most = worse_by + one_sided_radius(variance, scale, alpha_safe)
    if at_least > tolerance:
        verdict = Verdict.REGRESSION
    else:
        verdict = Verdict.SAFE if at_most < margin else Verdict.OPEN
    return Judgement(metric.name, stable.mean, candidate.mean, worse_by, at_least, at_most,
                     tolerance, margin, verdict, users)


def decide(stable: Mapping[str, ArmSums], candidate: Mapping[str, ArmSums], steps: int,
           alpha: float = ALPHA, metrics: Sequence[CanaryMetric] = CANARY_METRICS,
           users_min: int = USERS_MIN) -> CanaryDecision:
    """Judge one step on all that it has gathered.

    A group of which too few came says nothing and holds nothing up.

    Args:
        stable, candidate: sums by name of the metric, since the step began.
        steps: judged steps that the error probability is split over, all but the last.

    Raises:
        ValueError: there is no step.
    """
    if steps < 1:
        raise ValueError("a canary has at least one judged step")
    part = alpha / (steps * len(metrics))
    none = ArmSums()
    judged = tuple(
        judge(metric, stable.get(metric.name, none), candidate.get(metric.name, none), part,
              alpha, users_min)
        for metric in metrics
    )
    known = [j for j, metric in zip(judged, metrics, strict=True)
             if metric.required or j.verdict is not Verdict.TOO_FEW]
    worst = [j for j in known if j.verdict is Verdict.REGRESSION]
    if worst:
        return CanaryDecision(Act.ROLL_BACK, "; ".join(map(_regression, worst)), judged)
    waiting = [j.metric for j in known if j.verdict is not Verdict.SAFE]
    if waiting or not known:
        return CanaryDecision(
            Act.HOLD, f"not yet known to be safe: {', '.join(waiting) or 'nothing came'}", judged)
    return CanaryDecision(
        Act.PROMOTE, f"all {len(known)} metrics are within their margins", judged)


def step_after(percentage: float, steps: Sequence[float] = STEPS) -> float | None:
    """The next percentage above this one, None after the last."""
    return next((step for step in sorted(steps) if step > percentage), None)


def judged_steps(steps: Sequence[float]) -> int:
    """Steps with somebody left to compare with."""
    return sum(step < 100.0 for step in steps) or 1


def _with_prior(metric: CanaryMetric, arm: ArmSums) -> ArmSums:
    if metric.prior_sd == 0.0:
        return arm
    return arm.with_pseudo_users(metric.prior_mean, metric.prior_sd)


def _regression(of: Judgement) -> str:
    return (f"{of.metric} is worse by {of.worse_by:.4g}, at least {of.at_least:.4g} "
            f"(tolerated {of.tolerance:.4g})")
