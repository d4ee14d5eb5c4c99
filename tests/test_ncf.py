import pickle
import subprocess
import sys

import numpy as np
import pytest

from recommender.errors import InvalidField
from recommender.film_features import film_features
from recommender.models import MODELS, ncf
from recommender.models.model import EncodedHistory
from recommender.split import leave_last_out
from recommender.training import evaluate_each
from recommender.types import Movie
from tests.small_data import clustered, films

SMALL = {"dimensions": 16, "epochs": 12, "negatives": 32, "learning_rate": 0.02}
NEW_COMEDY, NEW_DRAMA = "new-comedy", "new-drama"


@pytest.fixture(scope="module")
def whole():
    return clustered().with_items([NEW_COMEDY, NEW_DRAMA, "unheard-of"])


@pytest.fixture(scope="module")
def model(whole):
    movies = [*films(), Movie(NEW_COMEDY, "New", 2020, ("Comedy",)),
              Movie(NEW_DRAMA, "New too", 2020, ("Drama",))]
    return MODELS["ncf"].fit_with(whole, SMALL, film_features(movies, whole.item_ids))


def taken(whole, *ids):
    places = np.array([whole.item_ids.index(i) for i in ids], np.int32)
    return EncodedHistory(places, np.ones(len(places), np.float32))


def score_of(model, whole, history, film):
    only = np.zeros(whole.n_items, bool)
    only[whole.item_ids.index(film)] = True
    return float(model.rank(history, np.zeros(0, np.int32), 1, only).scores[0])


def test_it_learns_which_films_go_together():
    (learned, known) = evaluate_each(
        clustered(150), films(), [("ncf", SMALL), ("popularity", {})], "leave_last_out", str)
    assert learned.metrics.hit_rate.value > 1.3 * known.metrics.hit_rate.value


def test_a_film_that_nobody_took_is_placed_by_what_is_written_of_it(model, whole):
    comedies, dramas = taken(whole, "f1", "f2", "f3"), taken(whole, "f31", "f32", "f33")
    for own, other, history in ((NEW_COMEDY, NEW_DRAMA, comedies),
                                (NEW_DRAMA, NEW_COMEDY, dramas)):
        assert score_of(model, whole, history, own) > score_of(model, whole, history, other)
    place = whole.item_ids.index("unheard-of")
    assert place not in model.rank(comedies, np.zeros(0, np.int32), 100).items


def test_the_score_is_the_product_of_both_towers(model, whole):
    history = taken(whole, "f1", "f5", "f9")
    x = np.concatenate([
        sum((1 - decay) * decay ** (2 - at) * model.inputs[film]
            for at, film in enumerate(history.items)) for decay in model.decays])
    taste = x @ model.mix + np.tanh(x @ model.hidden) @ model.out
    logits = model.films @ taste + model.bias
    found = model.rank(history, history.items, 100)
    assert np.log(found.scores / found.scores[0]) == pytest.approx(
        logits[found.items] - logits[found.items[0]], abs=1e-3)
    assert set(found.items) == set(np.flatnonzero(model.known)) - set(history.items)


def test_a_history_without_a_known_film_gets_no_list(model, whole):
    for history in (taken(whole), taken(whole, "unheard-of")):
        assert len(model.rank(history, np.zeros(0, np.int32), 5).items) == 0


def test_the_film_that_led_to_another_is_of_the_history_and_adds_to_its_score(model, whole):
    history = taken(whole, "f1", "f31", "f2")
    found = model.rank(history, history.items, 10)
    parts = model._parts(history)
    for film, because in zip(found.items, found.because, strict=True):
        added = parts.transpose(1, 0, 2).reshape(3, -1) @ model.mix @ model.films[film]
        assert because == (added.argmax() if added.max() > 0 else -1)


def test_the_artifact_holds_numpy_alone_and_serves_without_jax(model, whole, tmp_path):
    path = tmp_path / "model"
    history = taken(whole, "f1", "f2")
    path.write_bytes(pickle.dumps((model, history)))
    script = (
        "import pickle, sys\nimport numpy as np\n"
        "sys.modules['jax'] = None\n"
        f"model, history = pickle.loads(open({str(path)!r}, 'rb').read())\n"
        "print(model.rank(history, history.items, 5).items.tolist())\n"
        "assert not [name for name in sys.modules if name.startswith('jax') and "
        "sys.modules[name] is not None]\n")
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == str(model.rank(history, history.items, 5).items.tolist())


def test_without_jax_one_line_says_what_to_do_before_anything_is_fitted(monkeypatch):
    monkeypatch.setattr(ncf, "find_spec", lambda name: None)
    said = []
    with pytest.raises(InvalidField, match="make install-extra"):
        evaluate_each(clustered(), films(), [("knn", {}), ("ncf", {})], "leave_last_out",
                      said.append)
    assert not said


def test_a_dropout_of_all_is_refused():
    with pytest.raises(InvalidField, match="dropout"):
        MODELS["ncf"].fit_with(clustered(), {"dropout": 1.0})


def test_weights_of_entries_count_in_the_fit():
    whole = clustered()
    split = leave_last_out(whole)
    heavy = np.where(split.training.items % 2 == 0, 1.8, 0.2).astype(np.float32)
    weighted = type(whole)(**{**split.training.__dict__, "weights": heavy})
    plain, other = (MODELS["ncf"].fit_with(part, SMALL) for part in (split.training, weighted))
    even = np.arange(whole.n_items) % 2 == 0
    assert (other.bias[even].mean() - other.bias[~even].mean()
            > plain.bias[even].mean() - plain.bias[~even].mean())


def test_features_are_shares_of_genres_and_a_decade():
    movies = [Movie("a", "A", 1994, ("Comedy", "Drama")), Movie("b", "B", None, ()),
              Movie("c", "C", 1850, ("Drama",)),
              Movie("d", "D", 2000, ("Crime",), placeholder=True)]
    found = film_features(movies, ["d", "c", "b", "a", "x"])
    assert found[[0, 2, 4]].sum() == 0
    assert found[3, :2].tolist() == [0.5, 0.5] and found[1, :2].tolist() == [0, 1]
    assert found[3, 2 + 9] == 1 and found[1, 2] == 1 and found.sum() == 4


