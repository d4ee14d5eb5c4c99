from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.evaluate import Evaluation
from recommender.gate import (
    UNCOMPARED,
    Comparison,
    ComparisonPlan,
    Evidence,
    GateBounds,
    GateReason,
    comparison_plan,
    judge,
)
from recommender.gate_checks import CHECKS
from recommender.metrics import Measured
from recommender.split import LEAST_USERS

N = 100
FILMS = 50


def measures(gains, shown=None, from_model=1.0):
    gains = np.asarray(gains, float)
    mean = Measured(float(gains.mean()) if len(gains) else 0.0)
    if shown is None:
        shown = np.arange(len(gains) * 10).reshape(-1, 10) % FILMS
    return Evaluation(
        k=10, n_lists=len(gains), active_items=FILMS, hit_rate=mean, ndcg=mean, recall=mean,
        mrr=mean, coverage=Measured(0.5), gini=Measured(0.5), novelty=Measured(3.0),
        diversity=Measured(0.5), from_model=from_model, list_gains=gains, shown=shown,
        list_diversity=np.full(len(gains), 0.5))


def spread(mean, n=N, seed=0):
    """Gains of n users around a mean."""
    return np.clip(np.random.default_rng(seed).normal(mean, 0.05, n), 0, 1)


def compared(ours, theirs, groups=None, bounds=None, rows=None):
    rows = np.ones(ours.n_lists, bool) if rows is None else rows
    comparison = Comparison(rows, ours, theirs, "the serving model", "12 users of 100")
    return judge(Evidence(ours, comparison, True, False, bounds or GateBounds(), groups or {}),
                 CHECKS)


def uncompared(ours, reason=GateReason.NOT_COMPARED, is_finite=True, is_first=False, groups=None):
    return judge(Evidence(ours, reason, is_finite, is_first, groups=groups or {}), CHECKS)


def test_the_first_model_publishes_however_weak():
    verdict = uncompared(measures(np.zeros(N)), is_first=True,
                         groups={"all": np.arange(N) < 50})
    assert verdict.passed and verdict.reason is GateReason.FIRST_MODEL


@pytest.mark.parametrize(("candidate", "is_finite", "reason"), [
    (measures(spread(0.2), from_model=0.0), True, GateReason.EMPTY),
    (measures([]), True, GateReason.NO_LISTS),
    (measures(spread(0.2)), False, GateReason.NOT_FINITE),
])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_degenerate_model_is_refused_with_its_reason(candidate, is_finite, reason, is_first):
    verdict = uncompared(candidate, is_finite=is_finite, is_first=is_first)
    assert not verdict.passed and verdict.reason is reason and verdict.explanation
    assert verdict.refusals == (reason,)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=50)
def test_with_few_users_the_means_alone_decide(ndcg, serving, margin):
    few = LEAST_USERS - 1
    ours, theirs = measures(np.full(few, ndcg)), measures(np.full(few, serving))
    verdict = compared(ours, theirs, bounds=GateBounds(margin))
    assert verdict.passed == bool(ours.list_gains.mean() >= theirs.list_gains.mean() * (1 - margin))
    assert (verdict.reason is GateReason.WORSE_THAN_SERVING) == (not verdict.passed)
    assert verdict.candidate_ndcg == pytest.approx(ndcg)
    assert verdict.serving_ndcg == pytest.approx(serving)
    assert "on 12 users of 100" in verdict.explanation


def test_a_loss_beyond_the_margin_is_refused_when_it_is_certain():
    theirs = spread(0.5)
    verdict = compared(measures(theirs - 0.1), measures(theirs))
    assert verdict.reason is GateReason.WORSE_THAN_SERVING
    assert verdict.refusals == (GateReason.WORSE_THAN_SERVING,)
    (finding,) = [found for found in verdict.findings if not found.passed]
    assert finding.measured.high < 0 and finding.measured.value == pytest.approx(-0.1)


def test_a_loss_that_may_be_chance_is_let_pass_and_said_to_be():
    random = np.random.default_rng(1)
    theirs, ours = (random.integers(0, 2, N).astype(float) for _ in range(2))
    theirs[:12], ours[:12] = 1.0, 0.0
    verdict = compared(measures(ours), measures(theirs), bounds=GateBounds(0.0))
    assert ours.mean() < theirs.mean()
    assert verdict.passed and verdict.reason is GateReason.LOSS_NOT_CERTAIN
    assert "may be chance" in verdict.explanation


def test_a_loss_within_the_margin_passes_however_certain():
    theirs = spread(0.5, n=3_000)
    verdict = compared(measures(theirs - 0.02), measures(theirs))
    assert verdict.passed and verdict.reason is GateReason.NOT_WORSE


@given(st.integers(0, 1_000))
@settings(max_examples=30)
def test_a_model_never_loses_against_itself(seed):
    ours = measures(spread(0.3, seed=seed),
                    np.random.default_rng(seed).integers(0, FILMS, (N, 10)))
    verdict = compared(ours, ours, {"half": np.arange(N) % 2 == 0},
                       GateBounds(0.0, 0.0, 0.0, 1.0))
    assert verdict.passed


def test_a_model_that_shows_the_same_few_films_to_all_is_refused_for_it():
    narrow = np.tile(np.arange(10), (N, 1))
    theirs = measures(spread(0.4))
    verdict = compared(measures(spread(0.5), narrow), theirs)
    assert verdict.refusals == (GateReason.COVERAGE_FELL, GateReason.GINI_ROSE)
    assert not verdict.passed and verdict.reason is GateReason.COVERAGE_FELL
    assert "Coverage@10" in verdict.explanation and "Gini@10" in verdict.explanation
    allowed = GateBounds(coverage_margin=0.9, gini_margin=0.9)
    assert compared(measures(spread(0.5), narrow), theirs, bounds=allowed).passed


def test_exposure_is_counted_on_the_judged_users_alone():
    shown = np.tile(np.arange(10), (N, 1))
    shown[:40] = np.arange(400).reshape(40, 10) % FILMS
    rows = np.arange(N) < 40
    theirs = measures(spread(0.5)[:40], shown[:40])
    assert compared(measures(spread(0.5), shown), theirs, rows=rows).passed


def with_a_weak_half(low):
    gains = spread(0.5)
    gains[:50] *= low
    return measures(gains)


def test_a_group_that_is_certainly_far_below_the_mean_refuses_unless_it_was_so_before():
    groups = {"activity low": np.arange(N) < 50}
    verdict = compared(with_a_weak_half(0.2), measures(spread(0.3)), groups)
    assert verdict.refusals == (GateReason.GROUP_FAR_BELOW,)
    assert "activity low (50 users)" in verdict.explanation
    assert compared(with_a_weak_half(0.2), with_a_weak_half(0.2), groups).passed
    assert compared(with_a_weak_half(0.8), measures(spread(0.3)), groups).passed
    small = {"activity low": np.arange(N) < LEAST_USERS - 1}
    assert compared(with_a_weak_half(0.2), measures(spread(0.3)), small).passed


def test_a_group_that_is_far_below_alone_does_not_refuse_among_many():
    gains = spread(0.5, n=1_240)
    gains[:40] = np.where(np.arange(40) % 10 < 3, gains[:40], 0.0)
    random, weak = np.random.default_rng(3), {"age 18-24": np.arange(1_240) < 40}
    others = {f"occupation {n}": np.roll(np.arange(1_240) < 40, 40 * (n + 1)) for n in range(30)}
    shown = random.integers(0, FILMS, (1_240, 10))
    even = spread(0.5, n=1_240)
    alone = compared(measures(gains, shown), measures(even, shown), weak)
    among = compared(measures(gains, shown), measures(even, shown), weak | others)
    assert alone.refusals == (GateReason.GROUP_FAR_BELOW,) and among.passed


@pytest.mark.parametrize("reason", UNCOMPARED)
def test_what_is_not_compared_says_why(reason):
    verdict = uncompared(measures(np.full(N, 0.01)), reason)
    assert verdict.passed and verdict.reason is reason
    assert (verdict.explanation, verdict.serving_ndcg) == (UNCOMPARED[reason], None)
    assert verdict.refusals == ()


def test_a_further_check_is_one_more_function():
    def too_novel(evidence):
        yield from [replace(found, passed=False, reason="too_novel", check="novelty")
                    for check in CHECKS[:1] for found in check(evidence)]

    ours = measures(spread(0.5))
    comparison = Comparison(np.ones(N, bool), ours, ours, "itself", "all")
    verdict = judge(Evidence(ours, comparison, True, False), (*CHECKS, too_novel))
    assert verdict.refusals == ("too_novel",)
    assert len(verdict.findings) == 4


@pytest.mark.parametrize(("watermark", "plan"), [
    (99, ComparisonPlan.JUDGE_ARTIFACT), (100, ComparisonPlan.JUDGE_ARTIFACT),
    (101, ComparisonPlan.REFIT),
])
def test_a_serving_model_that_saw_the_validation_rows_is_fitted_anew(watermark, plan):
    assert comparison_plan(watermark, cut_ms=100) is plan
