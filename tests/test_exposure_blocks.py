"""Coverage and Gini of blocks of lists, and the sums that a canary is judged on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.experiments.canary import Act, Verdict, decide
from recommender.experiments.canary_metrics import CANARY_METRICS, COVERAGE, GINI
from recommender.experiments.canary_rows import AnswerRows, FilmTraits, canary_sums
from recommender.experiments.exposure_blocks import BLOCK_USERS, block_exposures, exposure_sums
from recommender.metrics.exposure import coverage, exposures_of, gini, rarefied_coverage

EXPOSURE = tuple(metric for metric in CANARY_METRICS if metric.name in (COVERAGE, GINI))


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4))
def test_each_block_has_the_coverage_and_gini_of_its_lists(seed, size, blocks):
    rng = np.random.default_rng(seed)
    lists = np.array([rng.permutation(9)[:4] for _ in range(size * blocks + size - 1)])
    lists[:, 1:][rng.random((len(lists), 3)) < 0.3] = -1
    covered, unequal = block_exposures(lists, 9, size)
    assert len(covered) == len(unequal) == blocks
    for block in range(blocks):
        exposures = exposures_of(lists[block * size: (block + 1) * size], 9)
        assert covered[block] == pytest.approx(coverage(exposures))
        assert unequal[block] == pytest.approx(gini(exposures))


def test_the_mean_over_blocks_is_the_coverage_of_so_many_lists_drawn_at_random():
    rng = np.random.default_rng(5)
    lists = np.array([rng.permutation(200)[:10] for _ in range(4_000)])
    sums, _ = exposure_sums(lists, 200)
    assert sums.users == 4_000 // BLOCK_USERS
    drawn = rarefied_coverage(lists, 200, [BLOCK_USERS])[0]
    assert sums.mean == pytest.approx(drawn, abs=4 * sums.variance**0.5)


def rows(users: int, films: int, seed: int, asked: int = 1) -> AnswerRows:
    """Users who ask so often and get ten of so many films."""
    rng = np.random.default_rng(seed)
    n = users * asked
    lists = np.array([rng.permutation(films)[:10] for _ in range(n)])
    return AnswerRows(np.arange(n) % users, np.zeros(n, bool), np.full(n, 1_000.0),
                      np.full(n, np.nan), np.zeros(n, int), lists)


FILMS = FilmTraits(np.zeros(300, bool), np.eye(300, dtype=bool))


def judged(stable: AnswerRows, candidate: AnswerRows):
    return decide(canary_sums(stable, FILMS), canary_sums(candidate, FILMS), 3, metrics=EXPOSURE)


def test_a_candidate_that_shows_fewer_films_is_taken_back_for_coverage_and_gini():
    decision = judged(rows(4_000, 300, 1), rows(600, 150, 2))
    assert decision.act is Act.ROLL_BACK
    assert COVERAGE in decision.reason and GINI in decision.reason


def test_arms_of_unlike_size_that_show_the_same_are_alike():
    decision = judged(rows(8_000, 300, 1), rows(600, 300, 2))
    assert decision.act is Act.PROMOTE
    assert [abs(j.worse_by) < 0.01 for j in decision.judgements] == [True, True]


def test_below_five_hundred_users_nothing_is_said_of_exposure():
    decision = judged(rows(4_000, 300, 1), rows(499, 30, 2))
    assert {j.verdict for j in decision.judgements} == {Verdict.TOO_FEW}


def test_a_user_who_asks_often_counts_once():
    once, often = rows(600, 300, 1), rows(600, 300, 1, asked=5)
    assert canary_sums(often, FILMS)[COVERAGE].users == canary_sums(once, FILMS)[COVERAGE].users
