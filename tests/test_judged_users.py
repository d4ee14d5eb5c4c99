"""Accounts made since the serving model was fitted have no say in whether another replaces it."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.evaluate import evaluate
from recommender.gate import GateReason
from recommender.interactions import Interactions, interactions_from_events
from recommender.judged_users import judging_split, known_users
from recommender.split import JUDGING_SPLITS, LEAST_USERS, SplitName, split_interactions
from recommender.training import ServingReference, TrainedModel
from tests.small_data import Row, bundle_of, clustered, clustered_rows, frame_of
from tests.small_trainings import circle, flood, reference, run

REAL = 80
AMONG, AFTER = 10_000, 20_000
"""When accounts come: at the time of all others, or all of them later."""


def folded(rows: list[Row]) -> Interactions:
    return interactions_from_events(frame_of(rows))


def easy(start_ms: int, n_users: int = 400) -> list[Row]:
    """Accounts made for the gate: they walk round a circle of films that nobody else watches."""
    return circle(n_users, user="easy", film="z", start_ms=start_ms)


def serving_of(rows: list[Row], model: str = "knn") -> ServingReference:
    whole = folded(rows)
    return reference(bundle_of(model, whole), data=whole)


def judged(rows: list[Row], split: str, serving: ServingReference) -> TrainedModel:
    (trained,) = run(folded(rows), [(serving.name, {})], split, serving, movies=[])
    return trained


@pytest.mark.parametrize(("split", "start_ms"), [
    ("leave_last_out", AMONG), ("temporal", AMONG), ("temporal", AFTER)],
    ids=["leave last out", "temporal", "temporal, and the cut moved behind everybody"])
def test_easy_accounts_do_not_hide_that_the_others_are_served_worse(
    split: str, start_ms: int
) -> None:
    serving = serving_of(circle())
    attacked = folded(circle() + flood() + easy(start_ms))
    (trained,) = run(attacked, [("knn", {})], split, serving, movies=[])
    # On everybody it is far better: that is what the easy accounts are for.
    parted = split_interactions(attacked, SplitName(split))
    assert serving.bundle is not None
    on_all = [evaluate(bundle, parted, attacked).ndcg.value
              for bundle in (bundle_of("knn", parted.training), serving.bundle)]
    assert on_all[0] > 2 * on_all[1]
    assert not trained.verdict.passed
    assert trained.verdict.reason is GateReason.WORSE_THAN_SERVING
    whom = f"on {REAL} users known to the serving model of {trained.metrics.n_lists}."
    assert whom in trained.verdict.explanation


@pytest.mark.parametrize("split", JUDGING_SPLITS)
def test_new_accounts_that_harm_nobody_do_not_keep_a_model_out(split: SplitName) -> None:
    trained = judged(circle() + easy(AFTER), split, serving_of(circle()))
    assert trained.verdict.reason is GateReason.NOT_WORSE


def test_the_figures_of_a_verdict_are_those_of_known_users_alone() -> None:
    trained = judged(circle() + flood() + easy(AMONG), "leave_last_out", serving_of(circle()))
    whole = folded(circle() + flood() + easy(AMONG))
    parted = split_interactions(whole, SplitName.LEAVE_LAST_OUT)
    real = np.array([whole.user_ids[user].startswith("u") for user in parted.users])
    assert real.sum() == REAL
    fitted = bundle_of("knn", parted.training)
    assert trained.verdict.candidate_ndcg == evaluate(fitted, parted.only(real), whole).ndcg.value
    assert trained.metrics.ndcg.value == evaluate(fitted, parted, whole).ndcg.value
    assert trained.metrics.n_lists == len(parted.users)


def test_where_the_data_of_the_serving_model_is_gone_all_are_judged_and_the_verdict_says_so(
) -> None:
    gone = reference(bundle_of("transition_knn", folded(circle())))
    (trained,) = run(folded(circle() + easy(AMONG)), [("knn", {})], serving=gone, movies=[])
    assert "on all 480 users, as what the serving model was fitted on" in (
        trained.verdict.explanation)


@pytest.mark.parametrize("split", JUDGING_SPLITS)
@pytest.mark.parametrize(("known", "whom"), [
    (LEAST_USERS - 1, "all {n} users, as the serving model knows 29 of them, fewer than 30."),
    (LEAST_USERS, "30 users known to the serving model of {n}."),
])
def test_with_too_few_known_users_all_are_judged_and_the_verdict_says_so(
    split: SplitName, known: int, whom: str
) -> None:
    trained = judged(circle(), split, serving_of(circle(known, length=10)))
    assert trained.split is split
    n = trained.metrics.n_lists
    assert trained.verdict.explanation.endswith("on " + whom.format(n=n))


def test_a_cut_moved_behind_all_known_users_gives_way_to_leaving_out_the_last_film() -> None:
    trained = judged(circle() + easy(AFTER), "temporal", serving_of(circle()))
    assert (trained.split_requested, trained.split) == (
        SplitName.TEMPORAL, SplitName.LEAVE_LAST_OUT)


@pytest.mark.parametrize("name", JUDGING_SPLITS)
def test_where_everybody_is_known_the_split_is_the_one_asked_for(name: SplitName) -> None:
    whole = clustered(400)
    plain = split_interactions(whole, name)
    split, whom = judging_split(whole, name, known_users(whole, whole))
    assert whom.rows.all() and (split.requested, split.used) == (plain.requested, plain.used)
    assert split.users.tolist() == plain.users.tolist()
    assert split.targets.tolist() == plain.targets.tolist()


def test_known_is_who_has_an_entry_in_the_older_data() -> None:
    rows = clustered_rows(6)
    older = folded([row for row in rows if row[1] in ("u1", "u4")])
    whole = folded(rows)
    assert [user for user, known in zip(whole.user_ids, known_users(whole, older), strict=True)
            if known] == ["u1", "u4"]
