"""Every registered model passes these; a new one needs no line here."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import clustered

from recommender.arrays import Int32s
from recommender.errors import InvalidField
from recommender.models import MODELS
from recommender.models.model import EncodedHistory

INTERACTIONS = clustered()
N_ITEMS = INTERACTIONS.n_items
FITTED = {name: spec.fit_with(INTERACTIONS, {}) for name, spec in MODELS.items()}
EVERY_MODEL = pytest.mark.parametrize("model", FITTED.values(), ids=FITTED.keys())


def indexes(values: object) -> Int32s:
    return np.array(values, np.int32)


HISTORIES = st.lists(st.integers(0, N_ITEMS - 1), max_size=15, unique=True).map(
    lambda films: EncodedHistory(indexes(films), np.ones(len(films), np.float32)))
EXCLUDED = st.lists(st.integers(0, N_ITEMS - 1), max_size=N_ITEMS).map(indexes)
MASKS = st.none() | st.lists(st.booleans(), min_size=N_ITEMS, max_size=N_ITEMS).map(np.array)


@EVERY_MODEL
@given(history=HISTORIES, excluded=EXCLUDED, k=st.integers(1, 100), allowed=MASKS)
@settings(max_examples=60)
def test_lists_obey_exclusion_mask_length_and_order(model, history, excluded, k, allowed):
    found = model.rank(history, excluded, k, allowed)
    items = found.items.tolist()
    assert len(items) <= k and len(set(items)) == len(items)
    assert not set(items) & set(excluded.tolist())
    assert allowed is None or allowed[items].all()
    assert (found.scores > 0).all()
    in_order = sorted(zip((-found.scores).tolist(), items, strict=True))
    assert [item for _, item in in_order] == items
    assert ((found.because >= -1) & (found.because < len(history.items))).all()


@EVERY_MODEL
@given(history=HISTORIES, excluded=EXCLUDED)
@settings(max_examples=25)
def test_the_same_question_gets_the_same_answer_from_a_pickled_copy(model, history, excluded):
    one = model.rank(history, excluded, 10)
    copy = pickle.loads(pickle.dumps(model)).rank(history, excluded, 10)
    for field in ("items", "scores", "because"):
        assert np.array_equal(getattr(one, field), getattr(copy, field))


@EVERY_MODEL
@given(history=HISTORIES, excluded=EXCLUDED, k=st.integers(1, 30), allowed=MASKS,
       power=st.floats(0, 1))
@settings(max_examples=40)
def test_a_factor_multiplies_the_score_of_every_film(model, history, excluded, k, allowed, power):
    factor = (1.0 + np.arange(N_ITEMS)[::-1] % 7).astype(np.float32) ** np.float32(-power)
    all_films = model.rank(history, excluded, N_ITEMS, allowed)
    found = model.rank(history, excluded, k, allowed, factor)
    worth = dict(zip(all_films.items.tolist(), all_films.scores * factor[all_films.items],
                     strict=True))
    best = sorted(worth.values(), reverse=True)[:k]
    assert found.scores.tolist() == pytest.approx(best, rel=1e-4)
    assert [worth[film] for film in found.items.tolist()] == pytest.approx(best, rel=1e-4)
    reasons = dict(zip(all_films.items.tolist(), all_films.because.tolist(), strict=True))
    assert [reasons[film] for film in found.items.tolist()] == found.because.tolist()


@EVERY_MODEL
@given(history=HISTORIES, excluded=EXCLUDED)
@settings(max_examples=25)
def test_a_shorter_list_is_the_start_of_a_longer_one(model, history, excluded):
    long = model.rank(history, excluded, 30).items.tolist()
    assert model.rank(history, excluded, 5).items.tolist() == long[:5]


@EVERY_MODEL
def test_neighbours_leave_the_film_itself_out(model):
    for item in range(N_ITEMS):
        found = model.neighbours(item, 5)
        assert len(found.items) <= 5 and item not in found.items


@EVERY_MODEL
def test_a_fitted_model_is_finite(model):
    assert model.is_finite()


@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS.keys())
def test_two_fits_are_equal(spec):
    one, two = spec.fit_with(INTERACTIONS, {}), spec.fit_with(INTERACTIONS, {})
    assert pickle.dumps(one) == pickle.dumps(two)


@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS.keys())
def test_unknown_and_impossible_hyperparameters_are_refused(spec):
    with pytest.raises(InvalidField, match="colour"):
        spec.configure({"colour": 1})
    for name in spec.hyperparameters({}):
        for wrong in (-1, float("nan"), float("inf"), "5", True):
            with pytest.raises(InvalidField, match=name):
                spec.configure({name: wrong})


@EVERY_MODEL
def test_a_model_fits_films_without_any_entry(model):
    spec = next(s for s in MODELS.values() if FITTED[s.name] is model)
    wider = INTERACTIONS.with_items(["nobody-took-this"])
    fitted = spec.fit_with(wider, {})
    untaken = wider.item_ids.index("nobody-took-this")
    assert len(fitted.neighbours(untaken, 5).items) == 0
    one = EncodedHistory(indexes([untaken]), np.ones(1, np.float32))
    assert untaken not in fitted.rank(one, indexes([]), 100).items
