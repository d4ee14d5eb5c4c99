import numpy as np
import pytest

from benchmarks.counterfactual import CASES, POOL, covered, even, place_draws, tilted
from recommender.audit.counterfactual import Draw, draws_of, snips
from recommender.errors import InvalidField
from recommender.rerank.chain import chain_of


def arrays(*columns):
    return [np.array(column, np.float64) for column in columns[:3]] + [
        np.array(columns[3], np.int64)]


def test_snips_is_the_ratio_of_weighted_sums():
    found = snips(*arrays([1, 0, 1, 0], [0.5, 0.25, 0.1, 1.0], [0.25, 0.5, 0.3, 1.0],
                          [1, 1, 2, 3]))
    weights = [0.5, 2.0, 3.0, 1.0]
    assert found.value == pytest.approx((0.5 + 3.0) / sum(weights))
    assert found.effective == pytest.approx(sum(weights) ** 2 / sum(w * w for w in weights))
    assert (found.low, found.high, found.draws) == (None, None, 4)


def test_under_the_same_policy_it_is_the_mean_and_its_interval_that_of_users():
    random = np.random.default_rng(3)
    n = 400
    rewards, users = (random.random(n) < 0.3).astype(float), np.repeat(np.arange(n // 2), 2)
    found = snips(rewards, np.full(n, 0.2), np.full(n, 0.2), users)
    assert found.value == pytest.approx(rewards.mean()) and found.effective == pytest.approx(n)
    per_user = rewards.reshape(-1, 2).mean(axis=1)
    half = 1.972 * per_user.std(ddof=1) / np.sqrt(n // 2)
    assert found.high - found.value == pytest.approx(half, rel=1e-3)
    assert found.value - found.low == pytest.approx(half, rel=1e-3)


def test_what_the_other_policy_never_draws_tells_nothing():
    found = snips(*arrays([1, 1], [0.5, 0.5], [0, 0], [1, 2]))
    assert (found.value, found.low, found.effective) == (0.0, None, 0.0)


@pytest.mark.parametrize(("propensity", "target", "field"), [
    (0.0, 0.5, "propensities"), (1.5, 0.5, "propensities"), (0.5, -0.1, "target"),
    (0.5, 1.1, "target")])
def test_what_is_no_probability_is_refused(propensity, target, field):
    with pytest.raises(InvalidField) as refused:
        snips(*arrays([1.0], [propensity], [target], [1]))
    assert refused.value.field == field


def test_the_draws_of_an_answer_are_the_films_that_chance_put_there():
    assert list(draws_of(["a", "b", "c"], [1.0, 0.25, 0.5], {"c"})) == [
        Draw("b", 1, 0.25, False), Draw("c", 2, 0.5, True)]
    assert not list(draws_of(["a", "b"], None, {"a"}))


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_interval_covers_the_truth_where_it_is_known(case):
    _, strengths, place = CASES[case]
    random = np.random.default_rng(case)
    chain = chain_of(strengths, POOL)
    people = [place_draws(chain, place, person, random) for person in range(60)]
    for policy in (even, tilted):
        share, bias, truth = covered(people, policy, 8, 300, random)
        assert 0.90 <= share <= 0.99
        assert abs(bias) < 0.05 * truth
