import itertools
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.compare import compare_models
from commands.stored_data import requested
from recommender.comparison import differences, paired_p
from recommender.comparison_report import as_document, as_markdown, as_picture
from recommender.errors import InvalidField
from recommender.multiple_tests import holm
from recommender.split import Part
from tests.small_data import clustered, films
from tests.small_trainings import EVERY

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(P_VALUES)
def test_holm_never_lowers_a_p_value_and_keeps_their_order(values):
    adjusted = holm(values)
    assert all(before <= after <= 1 for before, after in zip(values, adjusted, strict=True))
    for (p, a), (q, b) in itertools.combinations(zip(values, adjusted, strict=True), 2):
        assert p == q or (p < q) == (a < b) or a == b
    assert min(adjusted) == pytest.approx(min(1.0, len(values) * min(values)))


def test_the_permutation_test_agrees_with_going_through_all_permutations():
    ours, theirs = np.array([5.0, 3, 4, 6, 1, 2, 9, 4]), np.array([1.0, 2, 6, 2, 0, 3, 4, 4])
    seen = (ours - theirs)[ours != theirs]
    every = [abs(np.dot(signs, seen)) for signs in itertools.product((-1, 1), repeat=len(seen))]
    exact = np.mean([value >= abs(seen.sum()) - 1e-9 for value in every])
    assert paired_p(ours, theirs, permutations=20_000) == pytest.approx(exact, abs=0.01)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=20)
def test_equal_models_do_not_differ_and_the_order_does_not_matter(values):
    ours = np.array(values)
    assert paired_p(ours, ours) == 1.0
    other = ours[::-1].copy()
    assert paired_p(ours, other, 500) == paired_p(other, ours, 500)


def test_under_a_true_null_few_p_values_are_small():
    random = np.random.default_rng(0)
    found = [paired_p(*random.random((2, 60)), permutations=400) for _ in range(200)]
    assert np.mean(np.array(found) < 0.05) < 0.10


@pytest.fixture(scope="module")
def compared():
    requests = [*EVERY, ("knn", {"half_life": 0})]
    return compare_models(clustered(120), films(), requests, "leave_last_out",
                          Part.VALIDATION, 5, [].append)


def test_models_are_compared_in_pairs_and_reported_thrice(compared):
    assert [model.name for model in compared] == [
        "transition_knn", "knn", "popularity", "knn (half_life=0)"]
    pairs = differences(compared)
    assert len(pairs) == 6 and [p.p for p in pairs] == sorted(p.p for p in pairs)
    by_name = {model.name: model.found for model in compared}
    for pair in pairs:
        better, other = by_name[pair.better], by_name[pair.other]
        assert pair.ndcg.value == pytest.approx(better.ndcg.value - other.ndcg.value)
        assert pair.ndcg.value >= 0 and pair.p <= pair.p_adjusted <= 1
    about = {"split": "leave_last_out", "part": "validation"}
    document = json.loads(json.dumps(as_document(compared, pairs, about)))
    assert document["split"] == "leave_last_out" and len(document["differences"]) == 6
    for told, model in zip(document["models"], compared, strict=True):
        assert told["ndcg_at_5"]["value"] == model.found.ndcg.value
        assert told["coverage_at_5"]["low"] <= told["coverage_at_5"]["value"]
    text = as_markdown(compared, pairs, about)
    assert all(f"| {model.name} |" in text for model in compared)
    assert text.count("\n| ") == 2 + len(compared) + len(pairs)


def test_the_picture_is_a_png_of_a_readable_size(compared):
    content = as_picture(compared)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert width >= 900 and height >= 600


def test_a_model_is_asked_for_by_name_and_changed_hyperparameters():
    assert requested("knn") == ("knn", {})
    assert requested("knn:neighbours=50, half_life=2.5") == (
        "knn", {"neighbours": 50, "half_life": 2.5})
    for wrong in ("none", "knn:neighbours", "knn:neighbours=x", "knn:colour=1",
                  "knn:neighbours=.5"):
        with pytest.raises(InvalidField):
            requested(wrong)
