import doctest
import itertools
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recommender.metrics import (
    accuracy,
    coverage,
    exposure,
    exposures_of,
    gains,
    gini,
    hits,
    intra_list_diversity,
    lists,
    ndcg,
    novelty,
    ranks_of,
    rarefied_coverage,
    recall,
    reciprocal_ranks,
)

COUNTS = st.lists(st.integers(0, 1_000), min_size=1, max_size=50)


@pytest.mark.parametrize("module", [accuracy, exposure, lists])
def test_the_examples_in_the_docstrings_hold(module):
    found = doctest.testmod(module, extraglobs={"np": np})
    assert found.attempted and not found.failed


@given(st.lists(st.integers(0, 30), min_size=1), st.integers(1, 20))
def test_hits_and_gains_follow_their_formulas(ranks, k):
    assert hits(ranks, k).tolist() == [float(0 < r <= k) for r in ranks]
    wanted = [1 / math.log2(r + 1) if 0 < r <= k else 0.0 for r in ranks]
    assert gains(ranks, k) == pytest.approx(wanted)


@given(COUNTS, st.integers(1, 9))
def test_gini_is_free_of_scale(counts, factor):
    assert gini([c * factor for c in counts]) == pytest.approx(gini(counts))


@given(st.lists(st.integers(0, 30), min_size=2, max_size=30), st.data())
def test_gini_falls_when_a_film_shown_more_gives_to_one_shown_less(counts, data):
    before = np.array(counts)
    more, less = int(before.argmax()), int(before.argmin())
    assume(before[more] - before[less] >= 2)
    after = before.copy()
    given_away = data.draw(st.integers(1, int(before[more] - before[less] - 1)))
    after[more] -= given_away
    after[less] += given_away
    assert gini(after) < gini(before)


@given(COUNTS)
def test_gini_equals_the_mean_absolute_difference(counts):
    x = np.array(counts, float)
    wanted = 0.0
    if x.sum():
        wanted = np.abs(x[:, None] - x[None, :]).sum() / (2 * len(x) * x.sum())
    assert gini(counts) == pytest.approx(wanted, abs=1e-9)


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=2, max_size=30))
def test_coverage_never_falls_with_more_lists(lists):
    shown = np.array(lists)
    found = [coverage(exposures_of(shown[:n], 10)) for n in range(1, len(lists) + 1)]
    assert found == sorted(found)


def test_missing_places_are_no_exposure():
    assert exposures_of(np.array([[0, -1], [0, 2]]), 4).tolist() == [2, 0, 1, 0]


SCORES = st.integers(2, 8).flatmap(lambda n_items: st.tuples(
    st.lists(st.lists(st.integers(0, 3), min_size=n_items, max_size=n_items), min_size=1,
             max_size=6), st.integers(0, n_items - 1)))


@given(SCORES)
def test_a_target_is_ranked_behind_all_that_score_alike(drawn):
    scores, target = np.array(drawn[0], float), drawn[1]
    for row, rank in zip(scores, ranks_of(scores, [target] * len(scores)), strict=True):
        others = np.delete(row, target)
        assert rank == 1 + (others >= row[target]).sum()


def test_a_broken_score_never_helps():
    assert ranks_of(np.array([[np.nan, 0.5]]), [1]).tolist() == [2]
    assert ranks_of(np.array([[np.nan, 0.5]]), [0]).tolist() == [2]


LISTS = st.lists(st.tuples(st.lists(st.booleans(), min_size=7, max_size=7), st.integers(0, 5)),
                 min_size=1, max_size=20)


@given(LISTS, st.integers(1, 9))
def test_recall_and_ndcg_of_several_targets_follow_their_formulas(drawn, k):
    found = np.array([row for row, _ in drawn])
    wanted = found.sum(axis=1) + [more for _, more in drawn]
    for row, n, got_recall, got_ndcg in zip(found, wanted, recall(found, wanted, k),
                                            ndcg(found, wanted, k), strict=True):
        inside = [place for place, hit in enumerate(row[:k], start=1) if hit]
        best = sum(1 / math.log2(p + 1) for p in range(1, min(n, k) + 1))
        assert got_recall == pytest.approx(len(inside) / n if n else 0)
        assert got_ndcg == pytest.approx(
            sum(1 / math.log2(p + 1) for p in inside) / best if n else 0)


@given(st.lists(st.integers(0, 12), min_size=1), st.integers(1, 12))
def test_with_one_target_the_measures_for_several_agree_with_those_for_one(ranks, k):
    found = np.array([[place == rank for place in range(1, 13)] for rank in ranks])
    ones = np.ones(len(ranks), int)
    assert ndcg(found, ones, k) == pytest.approx(gains(ranks, k))
    assert recall(found, ones, k) == pytest.approx(hits(ranks, k))
    assert (reciprocal_ranks(ranks, k) <= gains(ranks, k)).all()


RANX = """
import json, sys
import ranx
given = json.load(sys.stdin)
print(json.dumps(ranx.evaluate(ranx.Qrels(given["qrels"]), ranx.Run(given["run"]),
                               given["metrics"])))
"""


def test_accuracy_agrees_with_an_independent_library():
    random = np.random.default_rng(3)
    n_lists, n_items, k = 60, 40, 10
    shown = np.array([random.permutation(n_items)[:k] for _ in range(n_lists)])
    relevant = [random.permutation(n_items)[:random.integers(1, 16)] for _ in range(n_lists)]
    names = [f"{name}@{length}" for name in ("hit_rate", "recall", "mrr", "ndcg")
             for length in (1, 5, 10)]
    given = {
        "qrels": {f"q{u}": {f"d{i}": 1 for i in items} for u, items in enumerate(relevant)},
        "run": {f"q{u}": {f"d{i}": float(k - place) for place, i in enumerate(row)}
                for u, row in enumerate(shown)},
        "metrics": names,
    }
    # A process of its own, since compiling that library takes a minute.
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RANX], input=json.dumps(given), text=True,
        capture_output=True, check=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
    theirs = json.loads(told.stdout.splitlines()[-1])
    found = np.array([np.isin(row, items)
                      for row, items in zip(shown, relevant, strict=True)])
    wanted = [len(items) for items in relevant]
    ranks = accuracy.first_ranks(found)
    for length in (1, 5, 10):
        ours = {"hit_rate": accuracy.hit_rates(found, length), "mrr": reciprocal_ranks(
            ranks, length), "recall": recall(found, wanted, length),
            "ndcg": ndcg(found, wanted, length)}
        for name, values in ours.items():
            assert values.mean() == pytest.approx(theirs[f"{name}@{length}"])


def test_rarefied_coverage_is_the_mean_over_all_smaller_samples():
    shown = np.array([[0, 1], [1, 2], [1, -1], [3, 4]])
    for size in range(1, 5):
        every = [coverage(exposures_of(shown[list(some)], 6))
                 for some in itertools.combinations(range(4), size)]
        assert rarefied_coverage(shown, 6, [size])[0] == pytest.approx(np.mean(every))


@given(st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4, unique=True), min_size=1,
                max_size=8), st.permutations(range(4)))
def test_diversity_and_novelty_do_not_depend_on_the_order_of_a_list(rows, order):
    genres = np.array([[1, 0, 1, 0, 0, 1], [0, 1, 1, 0, 0, 0]], bool)
    shown, counts = np.array(rows), np.array([9, 4, 0, 1, 2, 7])
    for measure in (lambda s: intra_list_diversity(s, genres), lambda s: novelty(s, counts, 9)):
        assert measure(shown) == pytest.approx(measure(shown[:, order]), nan_ok=True)
        assert np.nan_to_num(measure(shown)).min() >= 0


def test_diversity_is_one_minus_the_mean_jaccard_of_all_pairs():
    genres = [{"a", "b"}, {"b"}, {"a", "b", "c"}, set()]
    masks = np.array([[name in film for film in genres] for name in "abc"])
    pairs = [len(x & y) / len(x | y) for x, y in itertools.combinations(genres[:3], 2)]
    assert intra_list_diversity(np.array([[0, 3, 1, 2]]), masks)[0] == pytest.approx(
        1 - np.mean(pairs))
