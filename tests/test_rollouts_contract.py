"""The store knows what is rolled out, and takes no change that was made for something else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from adapters.allow_list import SqlAllowList
from adapters.job_leases import SqlJobLeases
from adapters.rollouts import SqlRollouts
from recommender.errors import InvalidField, ModelRefused
from recommender.experiments.rollout import (
    Rollout,
    RolloutEnd,
    Strategy,
    ended,
    moved,
    new_rollout,
)
from recommender.ports import AllowList, Rollouts
from recommender.types import ModelStatus
from tests.fake_administration import InMemoryAllowList
from tests.fake_rollouts import InMemoryRollouts
from tests.store_of_tests import engine

__all__ = ["engine"]  # a fixture
STABLE, CANDIDATE = "20261121T000000Z", "20261121T030000Z"
STEPS = (5.0, 25.0, 100.0)


@pytest.fixture(params=["sql", "memory"])
def both(request: pytest.FixtureRequest, engine: Engine) -> tuple[Rollouts, AllowList]:
    if request.param == "sql":
        return SqlRollouts(engine), SqlAllowList(engine)
    allow_list = InMemoryAllowList()
    return InMemoryRollouts(allow_list), allow_list


@pytest.fixture
def rollouts(both: tuple[Rollouts, AllowList]) -> Rollouts:
    return both[0]


def canary(name: str = "c1") -> Rollout:
    return new_rollout(name, Strategy.CANARY, STABLE, CANDIDATE, None, STEPS, "salt", 1_000,
                       "key:1", reason="try\0it")


def test_a_rollout_comes_back_as_it_was_begun(rollouts: Rollouts) -> None:
    begun = replace(canary(), diversity=0.25, reason="asked for")
    assert rollouts.current() is None
    assert rollouts.start(begun)
    assert rollouts.current() == rollouts.find("c1") == begun
    assert rollouts.all() == [begun]


def test_one_runs_at_a_time(rollouts: Rollouts) -> None:
    assert rollouts.start(canary())
    assert not rollouts.start(canary("c2"))
    assert rollouts.change(ended(canary(), RolloutEnd.STOPPED, 2_000, "key:2", "enough"))
    assert rollouts.current() is None
    assert rollouts.start(canary("c2"))
    assert [rollout.name for rollout in rollouts.all()] == ["c2", "c1"]


def test_a_name_is_used_once(rollouts: Rollouts) -> None:
    rollouts.start(canary())
    rollouts.change(ended(canary(), RolloutEnd.STOPPED, 2_000, "key:2", "enough"))
    with pytest.raises(ValueError, match="taken"):
        rollouts.start(canary())


def test_of_two_changes_of_one_state_the_second_is_refused(rollouts: Rollouts) -> None:
    rollouts.start(canary())
    assert rollouts.change(moved(canary(), 25.0, 2_000, "canary", "safe"))
    assert not rollouts.change(ended(canary(), RolloutEnd.STOPPED, 3_000, "key:2", "late"))
    found = rollouts.find("c1")
    assert found is not None
    assert (found.percentage, found.step_since_ms, found.running) == (25.0, 2_000, True)


def test_results_stay_with_a_change(rollouts: Rollouts) -> None:
    rollouts.start(canary())
    rollouts.note_results("c1", {"act": "hold", "bounds": [None, 0.5]})
    rollouts.change(moved(canary(), 25.0, 2_000, "canary", "safe"))
    found = rollouts.find("c1")
    assert found is not None and found.results == {"act": "hold", "bounds": [None, 0.5]}


def test_a_promotion_serves_the_candidate_with_the_end_of_the_rollout(
        both: tuple[Rollouts, AllowList]) -> None:
    rollouts, allow_list = both
    for version_id in (STABLE, CANDIDATE):
        allow_list.register(version_id, "knn", ModelStatus.AVAILABLE, "0" * 64, 1)
    allow_list.serve(STABLE, 2)
    rollouts.start(canary())
    assert rollouts.promote(ended(canary(), RolloutEnd.PROMOTED, 5_000, "canary", "safe"))
    serving = allow_list.serving()
    assert serving is not None and serving.version_id == CANDIDATE
    assert rollouts.current() is None


def test_a_refused_candidate_is_not_promoted_and_the_rollout_goes_on(
        both: tuple[Rollouts, AllowList]) -> None:
    rollouts, allow_list = both
    allow_list.register(STABLE, "knn", ModelStatus.AVAILABLE, "0" * 64, 1)
    allow_list.register(CANDIDATE, "knn", ModelStatus.REFUSED, "0" * 64, 1)
    allow_list.serve(STABLE, 2)
    rollouts.start(canary())
    with pytest.raises(ModelRefused):
        rollouts.promote(ended(canary(), RolloutEnd.PROMOTED, 5_000, "canary", "safe"))
    serving = allow_list.serving()
    assert serving is not None and serving.version_id == STABLE
    assert rollouts.current() == replace(canary(), reason=rollouts.find("c1").reason)  # type: ignore[union-attr]


def test_an_overtaken_promotion_serves_nothing(both: tuple[Rollouts, AllowList]) -> None:
    rollouts, allow_list = both
    for version_id in (STABLE, CANDIDATE):
        allow_list.register(version_id, "knn", ModelStatus.AVAILABLE, "0" * 64, 1)
    allow_list.serve(STABLE, 2)
    rollouts.start(canary())
    rollouts.change(ended(canary(), RolloutEnd.STOPPED, 3_000, "key:1", "enough"))
    assert not rollouts.promote(ended(canary(), RolloutEnd.PROMOTED, 5_000, "canary", "safe"))
    serving = allow_list.serving()
    assert serving is not None and serving.version_id == STABLE


def test_of_many_starts_at_once_one_begins(engine: Engine) -> None:
    rollouts = SqlRollouts(engine)
    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(lambda n: rollouts.start(canary(f"c{n}")), range(8)))
    assert sum(begun) == 1


def test_a_training_leaves_the_serving_model_alone_while_a_rollout_runs(engine: Engine) -> None:
    allow_list, rollouts = SqlAllowList(engine), SqlRollouts(engine)
    token = SqlJobLeases(engine).acquire("retrain", "here", 60)
    assert token is not None
    for version_id in (STABLE, CANDIDATE):
        allow_list.register(version_id, "knn", ModelStatus.AVAILABLE, "0" * 64, 1)
    allow_list.serve(STABLE, 2)
    rollouts.start(canary())
    left = allow_list.serve_trained(CANDIDATE, 3, STABLE, ("retrain", token))
    assert left.status is ModelStatus.AVAILABLE
    rollouts.change(ended(canary(), RolloutEnd.STOPPED, 4, "key:1", "enough"))
    served = allow_list.serve_trained(CANDIDATE, 5, STABLE, ("retrain", token))
    assert served.status is ModelStatus.SERVING


@pytest.mark.parametrize(("strategy", "candidate", "percentage", "field"), [
    (Strategy.FIXED, CANDIDATE, None, "strategy"),
    (Strategy.CANARY, STABLE, None, "canary_version"),
    (Strategy.AB_TEST, STABLE, None, "canary_version"),
    (Strategy.SHADOW, STABLE, None, "canary_version"),
    (Strategy.CANARY, CANDIDATE, 100.0, "canary_percentage"),
    (Strategy.AB_TEST, CANDIDATE, 0.0, "canary_percentage"),
    (Strategy.SHADOW, CANDIDATE, 101.0, "canary_percentage"),
])
def test_a_rollout_that_compares_nothing_is_refused(
        strategy: Strategy, candidate: str, percentage: float | None, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        new_rollout("x", strategy, STABLE, candidate, percentage, STEPS, "salt", 1, "me")
    assert refused.value.field == field


@pytest.mark.parametrize("strategy", [Strategy.AB_TEST, Strategy.SHADOW])
def test_the_serving_model_is_compared_with_itself_under_another_diversity(
        strategy: Strategy) -> None:
    found = new_rollout("x", strategy, STABLE, STABLE, None, STEPS, "salt", 1, "me", 0.5)
    assert (found.candidate, found.diversity) == (STABLE, 0.5)


@pytest.mark.parametrize("candidate", [STABLE, CANDIDATE])
def test_a_canary_has_no_diversity_that_its_promotion_would_lose(candidate: str) -> None:
    with pytest.raises(InvalidField) as refused:
        new_rollout("x", Strategy.CANARY, STABLE, candidate, None, STEPS, "salt", 1, "me", 0.5)
    assert refused.value.field == "diversity"


def test_a_shadow_answers_nobody() -> None:
    shadow = new_rollout("s", Strategy.SHADOW, STABLE, CANDIDATE, None, STEPS, "salt", 1, "me")
    assert shadow.percentage == 100.0
    assert [arm.percentage for arm in shadow.arms] == [0.0, 100.0]
