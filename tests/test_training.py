import pickle

import numpy as np
import pytest

from recommender.errors import InvalidField, NothingToTrainOn
from recommender.evaluate import evaluate, recommend_all
from recommender.gate import Finding, GateReason
from recommender.gate_checks import CHECKS
from recommender.interactions import interactions_from_events
from recommender.metrics import coverage
from recommender.models import MODELS
from recommender.models.neighbour_model import NeighbourModel
from recommender.ranking import Neighbours
from recommender.rerank.chain import chain_of
from recommender.split import SplitName, leave_last_out
from recommender.training import ServingReference, evaluate_each
from tests.small_data import bundle_of, clustered, clustered_rows, films, frame_of
from tests.small_trainings import EVERY, circle, flood, reference, result_of, run


def without_neighbours(bundle):
    """The bundle with a model that has nothing to say, and popularity that fills."""
    n = bundle.n_items
    state = {**bundle.__getstate__(),
             "model": NeighbourModel(Neighbours.empty(n), np.ones(n, np.float32), 1.0)}
    copy = pickle.loads(pickle.dumps(bundle))
    copy.__setstate__(state)
    return copy


def test_every_model_is_fitted_on_everything_and_measured_on_the_split():
    whole = clustered()
    said = []
    trained = run(whole, said=said)
    assert [t.name for t in trained] == ["transition_knn", "knn", "popularity"]
    for model in trained:
        assert model.verdict.passed
        assert model.metrics.n_lists == whole.n_users
        assert model.bundle.watermark_ms == whole.watermark_ms
        assert model.bundle.hyperparameters == model.hyperparameters
        low, high = model.metrics.ndcg.low, model.metrics.ndcg.high
        assert low <= model.metrics.ndcg.value <= high
        assert any(line.startswith(model.name) for line in said)
    reasons = [t.verdict.reason for t in trained]
    assert reasons[0] is GateReason.FIRST_MODEL
    assert trained[0].metrics.ndcg.value > trained[2].metrics.ndcg.value


def test_twenty_events_of_five_users_are_enough():
    rows = clustered_rows(5, 8, 4)
    assert len(rows) == 20
    trained = run(interactions_from_events(frame_of(rows)), split="temporal", movies=[])
    assert trained[0].verdict.passed
    assert (trained[0].split_requested, trained[0].split) == (
        SplitName.TEMPORAL, SplitName.LEAVE_LAST_OUT)


def test_hardly_any_events_are_nothing_to_train_on():
    with pytest.raises(NothingToTrainOn):
        run(interactions_from_events(frame_of([("watch", "u", "a", None, 1)])))


def test_users_of_one_film_each_give_no_model_to_serve():
    rows = [("watch", f"u{n}", f"f{n}", None, n) for n in range(10)]
    trained = run(interactions_from_events(frame_of(rows)))
    assert {t.verdict.reason for t in trained} == {GateReason.NO_LISTS}


@pytest.mark.parametrize("bad", [
    {"requests": [("no_such_model", {})]}, {"requests": [("knn", {"colour": 1})]},
    {"split": "random"}, {"split": "by_user"},
])
def test_unknown_names_are_refused_before_any_work(bad):
    said = []
    with pytest.raises(InvalidField):
        run(clustered(), said=said, **bad)
    assert not [line for line in said if "fitting" in line]


def test_a_model_that_is_worse_than_the_serving_one_is_refused():
    whole = clustered()
    serving = reference(bundle_of("transition_knn", whole))
    (trained,) = run(whole, [("popularity", {})], serving=serving)
    assert trained.verdict.reason is GateReason.WORSE_THAN_SERVING
    assert trained.verdict.candidate_ndcg < trained.verdict.serving_ndcg


def test_a_serving_model_that_saw_the_answers_is_compared_by_its_configuration():
    """Its own lists would be judged on rows it was fitted on; the same settings must tie."""
    whole = clustered()
    serving = reference(bundle_of("transition_knn", whole), data=whole)
    for split in ("leave_last_out", "temporal"):
        (trained,) = run(whole, EVERY[:1], split, serving, margin=0.0)
        assert trained.verdict.reason is GateReason.NOT_WORSE
        assert trained.verdict.candidate_ndcg == trained.verdict.serving_ndcg


@pytest.mark.parametrize(("name", "split"), [
    ("transition_knn", "temporal"), ("knn", "temporal"), ("knn", "leave_last_out")])
def test_the_same_settings_on_data_that_was_flooded_since_are_refused(name, split):
    clean = interactions_from_events(frame_of(circle()))
    serving = reference(bundle_of(name, clean), data=clean)
    grown = interactions_from_events(frame_of(circle(length=22)))
    (passed,) = run(grown, [(name, {})], split, serving, movies=[])
    assert passed.verdict.reason is GateReason.NOT_WORSE
    flooded = interactions_from_events(frame_of(circle() + flood()))
    (refused,) = run(flooded, [(name, {})], split, serving, movies=[])
    assert refused.verdict.reason is GateReason.WORSE_THAN_SERVING
    assert "on its own data" in refused.verdict.explanation


def test_the_same_settings_on_the_same_data_are_not_fitted_again():
    whole, said = clustered(), []
    serving = reference(bundle_of("transition_knn", whole), data=whole, same_data=True)
    (trained,) = run(whole, EVERY[:1], serving=serving, said=said)
    assert trained.verdict.passed and trained.verdict.reason is GateReason.SAME_DATA
    assert not any("serving configuration" in line for line in said)
    (other,) = run(whole, EVERY[2:], serving=serving)
    assert other.verdict.reason is GateReason.WORSE_THAN_SERVING


def test_where_the_data_of_the_serving_model_is_gone_the_verdict_says_so():
    whole = clustered()
    (trained,) = run(whole, EVERY[:1], serving=reference(bundle_of("transition_knn", whole)))
    assert trained.verdict.reason is GateReason.SAME_CONFIGURATION
    assert trained.verdict.serving_ndcg is None and "no longer" in trained.verdict.explanation


def test_a_serving_model_of_very_little_data_is_compared_too():
    tiny = interactions_from_events(frame_of([("watch", "u0", "f0", None, 99_999)]))
    for split in ("temporal", "leave_last_out"):
        (trained,) = run(interactions_from_events(frame_of(circle())), EVERY[:1], split,
                         reference(bundle_of("transition_knn", tiny), data=tiny), movies=[])
        assert trained.verdict.reason is GateReason.NOT_WORSE


def test_an_evaluation_measures_as_a_training_does_and_fits_nothing_on_everything():
    said = []
    evaluated = evaluate_each(clustered(), films(), EVERY, "leave_last_out", said.append)
    assert [(e.name, e.metrics) for e in evaluated] == [
        (t.name, t.metrics) for t in run(clustered())]
    assert not any("on everything" in line or "passed" in line for line in said)


def test_both_sides_are_judged_by_their_lists_as_they_would_be_served():
    whole, chain = clustered(), chain_of({"popularity_division": 1.0})
    parted = leave_last_out(whole)
    ours, theirs = (bundle_of(name, parted.training, films()) for name in ("transition_knn", "knn"))
    served = [evaluate(bundle, parted, whole, chain=chain) for bundle in (ours, theirs)]
    plain = [evaluate(bundle, parted, whole) for bundle in (ours, theirs)]
    assert all((a.shown != b.shown).any() for a, b in zip(served, plain, strict=True))
    (trained,) = run(whole, EVERY[:1], serving=reference(theirs, watermark_ms=0), chain=chain)
    assert trained.metrics == served[0]
    assert (trained.verdict.candidate_ndcg, trained.verdict.serving_ndcg) == (
        served[0].ndcg.value, served[1].ndcg.value)
    (evaluated,) = evaluate_each(whole, films(), EVERY[:1], "leave_last_out", lambda text: None,
                                 chain=chain)
    assert evaluated.metrics == served[0]


def test_a_serving_model_from_before_the_cut_is_judged_itself():
    whole = clustered()
    empty = without_neighbours(bundle_of("transition_knn", whole))
    (trained,) = run(whole, EVERY[:1], serving=reference(empty, watermark_ms=0))
    on_itself = evaluate(empty, leave_last_out(whole), whole)
    assert trained.verdict.serving_ndcg == on_itself.ndcg.value
    (again,) = run(whole, EVERY[:1], serving=reference(empty, data=whole))
    assert again.verdict.serving_ndcg == again.verdict.candidate_ndcg


def test_the_best_is_asked_first_and_only_it_is_compared_when_it_passes():
    whole = clustered()
    serving = reference(bundle_of("popularity", whole), data=whole)
    result = result_of(whole, EVERY[::-1], serving=serving)
    assert [t.name for t in result.models] == ["popularity", "knn", "transition_knn"]
    best = max(result.models, key=lambda t: t.metrics.ndcg.value)
    assert result.chosen == best.name
    for model in result.models:
        assert (model.verdict.reason is GateReason.NOT_COMPARED) == (model is not best)


def test_where_the_best_is_refused_the_next_is_asked():
    whole = clustered()

    def not_knn(evidence):
        if evidence.candidate.ndcg == refused.metrics.ndcg:
            yield Finding("a rule", False, "a_rule", "Against a rule.")

    by_ndcg = sorted(run(whole), key=lambda t: -t.metrics.ndcg.value)
    refused, second, _ = by_ndcg
    serving = reference(bundle_of("popularity", whole), data=whole)
    result = result_of(whole, serving=serving, checks=(*CHECKS, not_knn))
    assert result.chosen == second.name
    (verdict,) = [t.verdict for t in result.models if t.name == refused.name]
    assert (verdict.passed, verdict.reason, verdict.refusals) == (False, "a_rule", ("a_rule",))
    assert verdict.explanation == "Against a rule."


def test_a_name_that_is_followed_is_the_only_one_asked():
    whole = clustered()
    serving = reference(bundle_of("transition_knn", whole), data=whole)
    named = result_of(whole, serving=serving, followed="popularity")
    assert named.chosen is None
    assert [t.verdict.reason for t in named.models] == [
        GateReason.NOT_COMPARED, GateReason.NOT_COMPARED, GateReason.WORSE_THAN_SERVING]
    assert result_of(whole, EVERY[:1], serving=serving, followed="popularity").chosen is None
    assert result_of(whole, followed="popularity").chosen == "popularity"
    assert result_of(whole, EVERY[:2], followed="popularity").chosen is not None


def test_what_has_not_begun_when_the_time_is_spent_is_dropped_but_for_the_one_followed():
    whole = clustered()
    result = result_of(whole, is_late=lambda: True)
    assert [t.name for t in result.models] == [result.chosen] == ["transition_knn"]
    assert [one.name for one in result.dropped] == ["knn", "popularity"]
    assert all("time budget" in one.explanation for one in result.dropped)
    followed = result_of(whole, is_late=lambda: True, followed="popularity")
    assert [t.name for t in followed.models] == [followed.chosen] == ["popularity"]
    asked = []
    later = result_of(whole, is_late=lambda: asked.append(1) or len(asked) > 2)
    assert len(later.models) == 1 and len(later.dropped) == 2


def test_a_serving_model_that_no_longer_exists_is_no_obstacle():
    whole = clustered()
    gone = ServingReference("retired_model", {}, whole.watermark_ms, None)
    changed = ServingReference("knn", {"no_longer": 1}, whole.watermark_ms, None)
    for serving in (gone, changed):
        (trained,) = run(whole, EVERY[:1], serving=serving)
        assert trained.verdict.reason is GateReason.NOT_COMPARED


def test_measures_equal_those_recomputed_from_the_lists():
    whole = clustered()
    split = leave_last_out(whole)
    bundle = bundle_of("knn", split.training)
    found = evaluate(bundle, split, whole, k=5)
    lists = [[item.item_id for item in answer.items]
             for answer in recommend_all(bundle, split.training, split.users, 5)]
    targets = [whole.item_ids[i] for i in split.targets]
    places = [row.index(t) + 1 if t in row else 0
              for row, t in zip(lists, targets, strict=True)]
    assert found.hit_rate.value == pytest.approx(np.mean([p > 0 for p in places]))
    assert found.ndcg.value == pytest.approx(
        np.mean([1 / np.log2(p + 1) if p else 0 for p in places]))
    shown = {film for row in lists for film in row}
    assert found.coverage.value == pytest.approx(
        coverage([int(i in shown) for i in whole.item_ids]))


def test_a_target_gains_nothing_from_a_tie():
    """With all scores equal, a target is found as often as chance has it."""
    n_items, n_users = 100, 1_000
    rng = np.random.default_rng(0)
    rows = []
    for user in range(n_users):
        first, second = rng.permutation(n_items)[:2].tolist()
        rows += [("watch", f"u{user}", str(first), None, 1),
                 ("watch", f"u{user}", str(second), None, 2)]
    whole = interactions_from_events(frame_of(rows))
    bundle = bundle_of("knn", whole)
    every = np.arange(n_items, dtype=np.int32)
    full = Neighbours(np.arange(0, n_items * n_items + 1, n_items, dtype=np.int64),
                      np.tile(every, n_items), np.ones(n_items * n_items, np.float32))
    copy = pickle.loads(pickle.dumps(bundle))
    copy.__setstate__({**bundle.__getstate__(), "model": NeighbourModel(
        full, np.ones(n_items, np.float32), 1.0)})
    hit_rate = evaluate(copy, leave_last_out(whole), whole).hit_rate
    assert hit_rate.low < 10 / 99 < hit_rate.high


def test_a_bundle_of_another_catalogue_is_evaluated_by_item_id():
    whole = clustered()
    split = leave_last_out(whole)
    wider = split.training.with_items(["x", "y", "z"])
    for name, spec in MODELS.items():
        if "seed" in spec.hyperparameters({}):
            continue  # what it draws at random depends on the index of a film
        narrow = evaluate(bundle_of(name, split.training), split, whole)
        assert evaluate(bundle_of(name, wider), split, whole) == narrow
