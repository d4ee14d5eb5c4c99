"""What answers follows the rollout in the store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from recommender.errors import ModelRefused
from recommender.experiments.rollout import Rollout, RolloutChange, RolloutEnd, Strategy
from recommender.experiments.rollout_choice import RolloutChoice
from recommender.serving_configuration import ServeNewest, ServingConfiguration
from recommender.serving_state import ServedModel, ServingState
from recommender.types import ModelRecord, ModelStatus
from tests.fake_administration import InMemoryAllowList, InMemoryAuditLog
from tests.fake_rollouts import InMemoryRollouts
from tests.web_world import Clock, served_model
from workers.rollout_control import RolloutControl
from workers.rollout_switch import SwitchEndsRollout
from workers.rollout_watch import RolloutWatch

STABLE, CANDIDATE = "20261121T000000Z", "20261121T030000Z"
USERS = [f"u{n}" for n in range(200)]
Configured = ServingConfiguration[Any]


class WatchWorld:
    """`loaded` are the version ids read; those in `broken` are refused."""

    def __init__(self) -> None:
        self.allow_list, self.audit = InMemoryAllowList(), InMemoryAuditLog()
        self.rollouts = InMemoryRollouts(self.allow_list)
        for version_id in (STABLE, CANDIDATE):
            self.allow_list.register(version_id, "knn", ModelStatus.AVAILABLE, "0" * 64, 1)
        record = self.allow_list.serve(STABLE, 2)
        self.serving: ServingState[Any] = ServingState(served_model(record))
        self.loaded: list[str] = []
        self.broken: set[str] = set()
        self.forgotten = 0
        self.shadowed: list[tuple[str, str | None]] = []
        self.control = RolloutControl(
            self.rollouts, self.allow_list, self.audit, lambda record: None, lambda rollout: None,
            Clock(), lambda: "salt", diversity=0.3)
        self.choice = RolloutChoice[Configured](ServeNewest(self.serving))
        self.watch = RolloutWatch[Any, Configured](
            self.rollouts, self.allow_list, self.control, self._load, self.serving, self.choice,
            lambda served, arm, diversity: ServingConfiguration(served, variant=arm),
            self._shadow, self._forget)

    def begin(self, strategy: Strategy, percentage: float | None = None) -> Rollout:
        begun = self.control.update(RolloutChange(strategy, CANDIDATE, percentage), "key:1")
        assert begun is not None
        return begun

    def arms(self) -> set[tuple[str, str]]:
        found = [self.choice(user) for user in USERS]
        return {(c.variant, c.served.version_id) for c in found if c is not None}

    def _load(self, record: ModelRecord) -> ServedModel[Any]:
        if record.version_id in self.broken:
            raise ModelRefused(record.version_id, "hash", "not the bytes that were signed")
        self.loaded.append(record.version_id)
        return served_model(record)

    def _forget(self) -> None:
        self.forgotten += 1

    def _shadow(self, rollout: Rollout, candidate: Configured | None) -> None:
        version = None if candidate is None else candidate.served.version_id
        self.shadowed.append((rollout.name, version))


@pytest.fixture
def world() -> WatchWorld:
    return WatchWorld()


def test_both_arms_answer_and_the_serving_model_is_not_loaded_twice(world: WatchWorld) -> None:
    world.begin(Strategy.CANARY, 30.0)
    assert world.arms() == {("A", STABLE)}
    assert world.watch.check()
    assert world.arms() == {("A", STABLE), ("B", CANDIDATE)}
    assert world.loaded == [CANDIDATE]
    assert not world.watch.check()
    assert world.watch.loaded(STABLE) is world.serving.current()


def test_another_percentage_loads_nothing_anew(world: WatchWorld) -> None:
    world.begin(Strategy.CANARY, 5.0)
    world.watch.check()
    before = {u for u in USERS if (c := world.choice(u)) and c.variant == "B"}
    world.begin(Strategy.CANARY, 50.0)
    world.watch.check()
    after = {u for u in USERS if (c := world.choice(u)) and c.variant == "B"}
    assert world.loaded == [CANDIDATE] and before < after


def test_each_division_of_users_begins_without_kept_lists(world: WatchWorld) -> None:
    world.begin(Strategy.CANARY, 5.0)
    world.watch.check()
    world.watch.check()
    assert world.forgotten == 1
    world.begin(Strategy.CANARY, 50.0)
    world.watch.check()
    assert world.forgotten == 2


def test_the_end_gives_everybody_the_serving_model(world: WatchWorld) -> None:
    begun = world.begin(Strategy.AB_TEST)
    world.watch.check()
    world.control.end(begun, RolloutEnd.STOPPED, "key:1", "enough")
    assert world.watch.check()
    assert world.arms() == {("A", STABLE)} and world.watch.loaded(CANDIDATE) is None


def test_the_stable_arm_stays_when_another_model_begins_to_serve(world: WatchWorld) -> None:
    world.begin(Strategy.AB_TEST)
    world.watch.check()
    record = world.allow_list.register(
        "20261121T060000Z", "knn", ModelStatus.AVAILABLE, "0" * 64, 3)
    world.serving.swap(served_model(record))
    world.watch.check()
    assert world.arms() == {("A", STABLE), ("B", CANDIDATE)}


def test_a_candidate_whose_files_are_refused_ends_the_rollout(world: WatchWorld) -> None:
    begun = world.begin(Strategy.CANARY)
    world.broken.add(CANDIDATE)
    world.watch.check()
    ended = world.rollouts.find(begun.name)
    assert ended is not None and ended.outcome is RolloutEnd.ROLLED_BACK
    assert "not the bytes" in ended.reason
    assert world.arms() == {("A", STABLE)}


def test_a_shadow_is_handed_its_candidate_and_taken_it_away(world: WatchWorld) -> None:
    begun = world.begin(Strategy.SHADOW)
    world.watch.check()
    assert world.shadowed == [(begun.name, CANDIDATE)]
    assert world.arms() == {("A", STABLE)}
    world.control.end(begun, RolloutEnd.STOPPED, "key:1", "enough")
    world.watch.check()
    assert world.shadowed[-1] == (begun.name, None)


class Switch:
    """A model watch that switches."""

    def __init__(self, world: WatchWorld) -> None:
        self._world = world

    def switch(self, reference: str, actor: str) -> ServedModel[Any]:
        record = self._world.allow_list.serve(reference, 9)
        self._world.serving.swap(served_model(record))
        return served_model(record)

    def rollback(self, reference: str | None, actor: str) -> ServedModel[Any]:
        return self.switch(reference or STABLE, actor)


@pytest.mark.parametrize("way", ["switch", "rollback"])
def test_a_switch_by_hand_ends_the_rollout(world: WatchWorld, way: str) -> None:
    begun = world.begin(Strategy.CANARY)
    world.watch.check()
    ends = SwitchEndsRollout(Switch(world), world.rollouts, world.control)  # type: ignore[arg-type]
    getattr(ends, way)(CANDIDATE, "key:2")
    ended = world.rollouts.find(begun.name)
    assert ended is not None and ended.outcome is RolloutEnd.SUPERSEDED
    assert ended.reason == f"by a switch to {CANDIDATE}"
    world.watch.check()
    assert world.arms() == {("A", CANDIDATE)}
    getattr(ends, way)(STABLE, "key:2")
    assert len(world.rollouts.all()) == 1


def test_a_user_is_told_why_they_have_their_arm(world: WatchWorld) -> None:
    begun = replace(world.begin(Strategy.CANARY, 30.0), ended_at_ms=Clock().now_ms + 1_000)
    place = begun.assignment_of("u1")
    assert place.startswith(f"in {begun.name} the user stands at ") and "below 30 % is B" in place
    assert begun.ran_at(begun.started_at_ms) and not begun.ran_at(begun.ended_at_ms or 0)
