import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.evaluate import Evaluation
from recommender.gate import (
    UNCOMPARED,
    Comparison,
    ComparisonPlan,
    GateReason,
    comparison_plan,
    judge,
)
from recommender.metrics import Measured


def measures(ndcg, n_lists=100, from_model=1.0):
    return Evaluation(
        k=10, n_lists=n_lists, active_items=50, hit_rate=Measured(ndcg), ndcg=Measured(ndcg),
        recall=Measured(ndcg), mrr=Measured(ndcg), coverage=Measured(0.5), gini=Measured(0.5),
        novelty=Measured(3.0), diversity=Measured(0.5), from_model=from_model,
        list_gains=np.full(n_lists, ndcg), shown=np.zeros((n_lists, 10), np.int64))


def decide(candidate, serving=None, is_finite=True, margin=0.05):
    comparison = GateReason.NOT_COMPARED if serving is None else Comparison(
        candidate.ndcg.value, serving.ndcg.value, "the serving model", "12 users of 100")
    return judge(candidate, is_finite, comparison, margin, is_first=serving is None)


def test_the_first_model_publishes_however_weak():
    verdict = decide(measures(0.0))
    assert verdict.passed and verdict.reason is GateReason.FIRST_MODEL


@pytest.mark.parametrize(("candidate", "is_finite", "reason"), [
    (measures(0.2, from_model=0.0), True, GateReason.EMPTY),
    (measures(0.2, n_lists=0), True, GateReason.NO_LISTS),
    (measures(0.2), False, GateReason.NOT_FINITE),
])
@pytest.mark.parametrize("serving", [None, measures(0.1)])
def test_a_degenerate_model_is_refused_with_its_reason(candidate, is_finite, reason, serving):
    verdict = decide(candidate, serving, is_finite)
    assert not verdict.passed and verdict.reason is reason and verdict.explanation


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_model_is_refused_exactly_when_it_loses_more_than_the_margin(ndcg, serving, margin):
    verdict = decide(measures(ndcg), measures(serving), margin=margin)
    assert verdict.passed == (ndcg >= serving * (1 - margin))
    assert (verdict.reason is GateReason.WORSE_THAN_SERVING) == (not verdict.passed)
    assert (verdict.candidate_ndcg, verdict.serving_ndcg) == (ndcg, serving)
    assert verdict.explanation.endswith("on 12 users of 100.")


def test_a_challenger_is_not_compared():
    verdict = judge(measures(0.01), True, GateReason.NOT_COMPARED, 0.05, is_first=False)
    assert verdict.passed and verdict.reason is GateReason.NOT_COMPARED


@pytest.mark.parametrize("reason", UNCOMPARED)
def test_what_is_not_compared_says_why(reason):
    verdict = judge(measures(0.01), True, reason, 0.05, is_first=False)
    assert verdict.passed and verdict.reason is reason
    assert (verdict.explanation, verdict.serving_ndcg) == (UNCOMPARED[reason], None)


@pytest.mark.parametrize(("watermark", "plan"), [
    (99, ComparisonPlan.JUDGE_ARTIFACT), (100, ComparisonPlan.JUDGE_ARTIFACT),
    (101, ComparisonPlan.REFIT),
])
def test_a_serving_model_that_saw_the_validation_rows_is_fitted_anew(watermark, plan):
    assert comparison_plan(watermark, cut_ms=100) is plan
