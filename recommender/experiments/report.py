"""The report of an experiment: what was found, whether it can be believed, and in one sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from recommender.arrays import Float64s, Int64s
from recommender.experiments.arm_sums import ArmSums, arm_sums
from recommender.experiments.canary_metrics import DIVERSITY, GINI, LATENCY, SUCCESS, TAIL
from recommender.experiments.canary_rows import AnswerRows, FilmTraits, canary_sums
from recommender.experiments.coverage import coverage_at_equal_size
from recommender.experiments.fixed_horizon import two_means, two_proportions, wilson_interval
from recommender.experiments.power import power_plan
from recommender.experiments.sample_ratio import BLOCKING_P, SampleRatio, sample_ratio
from recommender.experiments.sequential import AlwaysValid, always_valid

SCHEMA_VERSION = 1
ALPHA = 0.05


class ExperimentVerdict(StrEnum):
    """What can be said now."""

    BLOCKED = "blocked"
    B_BETTER = "b_better"
    B_WORSE = "b_worse"
    INCONCLUSIVE = "inconclusive"
    INSUFFICIENT_DATA = "insufficient_data"


@dataclass(frozen=True, eq=False, slots=True)
class ArmData:
    """What one arm has: its answers, and the ratings that its users gave meanwhile.

    raters: int64 of shape (n_ratings,), codes of users. ratings: float64 of shape (n_ratings,).
    """

    name: str
    model_version: str
    percentage: float
    rows: AnswerRows
    raters: Int64s
    ratings: Float64s


def first_successes(rows: AnswerRows) -> ArmSums:
    """One value a user: whether their first answer whose window has closed was a success.

    Users who come often count no more than others, and a value never changes once it is there.
    """
    closed = np.flatnonzero(~np.isnan(rows.success))
    _, first = np.unique(rows.users[closed], return_index=True)
    chosen = closed[first]
    return arm_sums(rows.users[chosen], rows.success[chosen])


def experiment_report(a: ArmData, b: ArmData, films: FilmTraits, relative_effect: float,
                      permutations: int = 500, expected: float | None = None) -> dict[str, Any]:
    """Everything of `ab_test_results.json` but when, and over which window, it was made.

    Args:
        expected: the success of A as known from before; users needed are told by it until the
            first windows have closed.
        relative_effect: the least relative change of success that is worth knowing; the scale of
            the always-valid test, and what needed users are told for.
    """
    ratio = sample_ratio([len(np.unique(arm.rows.users)) for arm in (a, b)],
                         (a.percentage, b.percentage))
    first = {arm.name: first_successes(arm.rows) for arm in (a, b)}
    base = first[a.name].mean
    scale = relative_effect * base if base else 0.01
    users = sum(arm.users for arm in first.values())
    z = two_proportions(int(first[a.name].x), first[a.name].users, int(first[b.name].x),
                        first[b.name].users, ALPHA)
    valid = always_valid(first[a.name], first[b.name], scale, ALPHA)
    sums = {arm.name: canary_sums(arm.rows, films) for arm in (a, b)}
    share_b = b.percentage / (a.percentage + b.percentage)
    verdict = _verdict(ratio, valid)
    power = power_plan(expected if base is None else base, relative_effect, (users,), share_b)
    return {
        "verdict": verdict.value,
        "sentence": _sentence(verdict, ratio, valid, power.needed_users_always_valid,
                              relative_effect, users),
        "status": _STATUS[verdict],
        "arms": [_arm(arm, first[arm.name]) for arm in (a, b)],
        "sample_ratio": asdict(ratio) | {"blocks": ratio.blocks},
        "online_success": {
            "unit": "user, by the first answer whose window has closed",
            "effect": None if z is None else z.difference,
            "z_test": None if z is None else asdict(z),
            "always_valid": None if valid is None else asdict(valid),
            "per_answer_always_valid": _always_valid(
                sums[a.name][SUCCESS], sums[b.name][SUCCESS], scale),
        },
        "further": {
            name: _means(sums[a.name][name], sums[b.name][name])
            for name in (DIVERSITY, TAIL, GINI, LATENCY)
        } | {"rating_mean": _means(*(arm_sums(arm.raters, arm.ratings) for arm in (a, b)))},
        "coverage": _coverage(a, b, len(films.head), permutations),
        "power": {
            "base": power.base, "needed_users_z_test": power.needed_users_z_test,
            "needed_users_always_valid": power.needed_users_always_valid,
            "detectable_effect": power.detectable[0][1],
        },
        "thresholds": {"alpha": ALPHA, "sample_ratio_p": BLOCKING_P,
                       "relative_effect": relative_effect},
        "lists": len(a.rows) + len(b.rows),
    }


_STATUS = {
    ExperimentVerdict.BLOCKED: "FAIL",
    ExperimentVerdict.B_BETTER: "PASS",
    ExperimentVerdict.B_WORSE: "FAIL",
    ExperimentVerdict.INCONCLUSIVE: "INCONCLUSIVE",
    ExperimentVerdict.INSUFFICIENT_DATA: "INSUFFICIENT_DATA",
}


def _verdict(ratio: SampleRatio, valid: AlwaysValid | None) -> ExperimentVerdict:
    if ratio.blocks:
        return ExperimentVerdict.BLOCKED
    if valid is None:
        return ExperimentVerdict.INSUFFICIENT_DATA
    if valid.low > 0:
        return ExperimentVerdict.B_BETTER
    return ExperimentVerdict.B_WORSE if valid.high < 0 else ExperimentVerdict.INCONCLUSIVE


def _sentence(verdict: ExperimentVerdict, ratio: SampleRatio, valid: AlwaysValid | None,
              needed: int | None, relative_effect: float, users: int) -> str:
    if verdict is ExperimentVerdict.BLOCKED:
        counted, expected = (f"{ratio.counted[0]:,} : {ratio.counted[1]:,}",
                             f"{ratio.expected[0]:,.0f} : {ratio.expected[1]:,.0f}")
        return (f"No conclusion: the arms have {counted} users where {expected} were to be, "
                f"p = {ratio.p_value:.2g}; the assignment or the counting is broken.")
    wanted = "" if needed is None else (
        f" A change of {relative_effect:.0%} would need about {needed:,} users, {users:,} are in.")
    if valid is None:
        return (f"Too early: {users:,} users whose window has closed are not enough in both arms."
                f"{wanted}")
    found = (f"{valid.difference:+.2%} of users (from {valid.low:+.2%} to {valid.high:+.2%}, "
             "however often one looks)")
    if verdict is ExperimentVerdict.B_BETTER:
        return f"B is better: success differs by {found}."
    if verdict is ExperimentVerdict.B_WORSE:
        return f"B is worse: success differs by {found}."
    return f"Not decided: success differs by {found}.{wanted}"


def _arm(arm: ArmData, first: ArmSums) -> dict[str, Any]:
    return {
        "name": arm.name, "model_version": arm.model_version, "percentage": arm.percentage,
        "users": len(np.unique(arm.rows.users)), "lists": len(arm.rows),
        "failed": int(arm.rows.failed.sum()), "users_with_closed_window": first.users,
        "users_who_succeeded": int(first.x), "success_rate": first.mean,
        "success_interval": wilson_interval(int(first.x), first.users, ALPHA),
    }


def _means(a: ArmSums, b: ArmSums) -> dict[str, Any]:
    found = two_means(a, b, ALPHA)
    return {"a": a.mean, "b": b.mean, "test": None if found is None else asdict(found)}


def _always_valid(a: ArmSums, b: ArmSums, scale: float) -> dict[str, Any] | None:
    found = always_valid(a, b, scale, ALPHA)
    return None if found is None else asdict(found)


def _coverage(a: ArmData, b: ArmData, catalogue: int,
              permutations: int) -> dict[str, Any] | None:
    lists = [_first_lists(arm.rows) for arm in (a, b)]
    if not min(map(len, lists)):
        return None
    width = max(part.shape[1] for part in lists)
    padded = [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=-1)
              for part in lists]
    in_b = np.arange(len(lists[0]) + len(lists[1])) >= len(lists[0])
    found = coverage_at_equal_size(np.concatenate(padded), in_b, catalogue, permutations)
    return None if found is None else asdict(found)


def _first_lists(rows: AnswerRows) -> Int64s:
    answered = np.flatnonzero(~rows.failed)
    _, first = np.unique(rows.users[answered], return_index=True)
    return rows.lists[answered[first]]
