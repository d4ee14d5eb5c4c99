"""What a canary does next."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.canary import REGRESSIONS, SAME, World, run
from recommender.experiments.arm_sums import ArmSums, of_proportion
from recommender.experiments.canary import Act, Verdict, decide, judged_steps, step_after
from recommender.experiments.canary_metrics import (
    CONCENTRATION,
    ERRORS,
    SUCCESS,
    TAIL,
    CanaryMetric,
    activity_group,
    success_of,
)
from recommender.experiments.canary_rows import AnswerRows, FilmTraits, canary_sums

WORLD = World(seed=1, base_success=0.30)
SUCCESS_ONLY = (CanaryMetric(SUCCESS, "", -1, 0.0, 0.1, relative=True),)


@pytest.mark.parametrize("candidate", REGRESSIONS, ids=lambda c: c.name)
def test_a_regression_is_rolled_back(candidate):
    ended = [run(WORLD, candidate, candidate.within, seed).act for seed in range(2)]
    assert ended == [Act.ROLL_BACK] * 2


def test_a_candidate_like_the_stable_model_is_promoted():
    assert [run(WORLD, SAME, 20_000, seed).act for seed in range(3)] == [Act.PROMOTE] * 3


def test_the_reason_names_the_metric():
    slow = next(c for c in REGRESSIONS if c.slower > 1)
    assert run(WORLD, slow, 2_000, 0).reason.startswith("log_latency is worse by 1.")


def test_nothing_measured_holds():
    decision = decide({}, {}, 3)
    assert decision.act is Act.HOLD
    assert {j.verdict for j in decision.judgements} == {Verdict.TOO_FEW}


def test_what_is_neither_known_safe_nor_worse_holds():
    decision = decide({SUCCESS: of_proportion(300, 1_000)}, {SUCCESS: of_proportion(28, 100)}, 3,
                      metrics=SUCCESS_ONLY)
    assert decision.act is Act.HOLD
    assert SUCCESS in decision.reason


def test_better_by_much_is_promoted():
    decision = decide({SUCCESS: of_proportion(300, 1_000)}, {SUCCESS: of_proportion(500, 1_000)},
                      3, metrics=SUCCESS_ONLY)
    assert decision.act is Act.PROMOTE


def test_a_tolerated_difference_is_no_regression():
    tolerant = (replace(SUCCESS_ONLY[0], tolerance=0.3, margin=0.4),)
    arms = {SUCCESS: of_proportion(3_000, 10_000)}, {SUCCESS: of_proportion(2_500, 10_000)}
    assert decide(*arms, 3, metrics=tolerant).act is Act.PROMOTE
    assert decide(*arms, 3, metrics=SUCCESS_ONLY).act is Act.ROLL_BACK


def test_a_group_of_few_holds_nothing_up():
    group = success_of("high")
    both = (*SUCCESS_ONLY, CanaryMetric(group, "", -1, 0.0, 0.2, True, required=False))
    arms = [{SUCCESS: of_proportion(3_000, 10_000), group: of_proportion(1, 3)}] * 2
    assert decide(*arms, 3, metrics=both).act is Act.PROMOTE


def test_one_user_with_many_failures_is_no_regression():
    users = np.concatenate((np.arange(100), np.full(50, 100)))
    failed = users == 100
    n = len(users)
    rows = AnswerRows(users, failed, np.full(n, 1_000.0), np.full(n, np.nan), np.zeros(n, int),
                      np.tile(np.arange(3), (n, 1)))
    films = FilmTraits(np.zeros(3, bool), np.eye(3, dtype=bool))
    errors = canary_sums(rows, films)[ERRORS]
    decision = decide({ERRORS: of_proportion(0, 1_000)}, {ERRORS: errors}, 3)
    assert decision.act is Act.HOLD


def test_steps_follow_each_other_to_the_end():
    assert [step_after(p) for p in (0.0, 5.0, 25.0, 30.0, 100.0)] == [5.0, 25.0, 50.0, 50.0, None]
    assert judged_steps((5.0, 25.0, 50.0, 100.0)) == 3
    assert judged_steps((100.0,)) == 1


def test_groups_by_activity():
    assert [activity_group(n) for n in (0, 9, 10, 30, 31)] == [
        "low", "low", "medium", "medium", "high"]


def test_tail_and_concentration_by_hand():
    lists = np.array([[0, 1], [0, 2], [0, 1], [2, 3]])
    rows = AnswerRows(np.array([0, 1, 0, 2]), np.zeros(4, bool), np.ones(4), np.full(4, np.nan),
                      np.zeros(4, int), lists)
    films = FilmTraits(np.array([True, False, False, False]), np.eye(4, dtype=bool))
    sums = canary_sums(rows, films)
    assert sums[TAIL].mean == pytest.approx((0.5 + 0.5 + 0.5 + 1) / 4)
    # The first lists of users 0 and 1 share one of two films; user 2 has no partner.
    assert sums[CONCENTRATION] == ArmSums(1, 1.0, 0.5, 1.0, 0.5, 0.25)
