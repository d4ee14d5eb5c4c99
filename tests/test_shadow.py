"""A candidate in shadow is asked behind, and never in the way."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from recommender.experiments.rollout import Rollout, Strategy, new_rollout
from recommender.experiments.shadow import compared
from recommender.types import History
from tests.fake_rollouts import InMemoryExperimentMetrics, InMemoryRollouts
from tests.web_world import Clock
from workers.shadow import Shadow

STABLE, CANDIDATE = "20261121T000000Z", "20261121T030000Z"


def rollout(percentage: float = 100.0) -> Rollout:
    return new_rollout("s", Strategy.SHADOW, STABLE, CANDIDATE, percentage, (5.0, 100.0), "salt",
                       1, "key:1")


class ShadowWorld:
    def __init__(self, per_second: float = 1e9, waiting_max: int = 100, rank: Any = None) -> None:
        self.rollouts, self.metrics = InMemoryRollouts(), InMemoryExperimentMetrics()
        self.rollouts.start(rollout())
        self.shadow: Shadow[str, tuple[str, ...]] = Shadow(
            lambda user_id: History(user_id, 1), rank or (lambda candidate, history, request:
                                                          (*request[:1], "other")),
            lambda request: request, self.rollouts, self.metrics, per_second, waiting_max, Clock())

    def results(self, scored: int) -> dict[str, Any]:
        """What it tells once so many are through."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.shadow.tell()
            found = dict(self.rollouts.find("s").results)  # type: ignore[union-attr]
            if found["scored"] + found["failed"] >= scored:
                return found
            time.sleep(0.01)
        raise AssertionError(f"not scored: {found}")


def test_two_lists_are_held_against_each_other() -> None:
    one = compared(("a", "b", "c", "d"), ("a", "c", "x"), 0.5)
    assert (one.overlap, one.same_first, one.seconds) == (0.5, True, 0.5)
    assert compared((), (), 0.0).overlap == 1.0
    assert compared(("a",), (), 0.0).overlap == 0.0


def test_requests_are_scored_behind() -> None:
    world = ShadowWorld()
    world.shadow.follow(rollout(), "candidate")
    for user in range(20):
        world.shadow.offer(f"u{user}", ("a", "b"))
    found = world.results(20)
    world.shadow.stop()
    assert (found["scored"], found["overlap"], found["same_first"]) == (20, 0.5, 1.0)
    assert world.metrics.shadowed == (20, 0, 0)
    assert found["p95_s"] >= found["p50_s"] > 0


def test_a_full_queue_sheds_and_never_waits() -> None:
    hold = threading.Event()

    def slow(candidate: str, history: History, request: tuple[str, ...]) -> tuple[str, ...]:
        hold.wait(20)
        return request

    world = ShadowWorld(waiting_max=5, rank=slow)
    world.shadow.follow(rollout(), "candidate")
    began = time.monotonic()
    for user in range(100):
        world.shadow.offer(f"u{user}", ("a",))
    assert time.monotonic() - began < 5
    hold.set()
    found = world.results(5)
    world.shadow.stop()
    assert 5 <= found["scored"] <= 6 and found["scored"] + found["shed"] == 100


def test_requests_that_come_too_fast_are_left_out() -> None:
    world = ShadowWorld(per_second=0.01)
    world.shadow.follow(rollout(), "candidate")
    for user in range(50):
        world.shadow.offer(f"u{user}", ("a",))
    found = world.results(1)
    world.shadow.stop()
    assert (found["scored"], found["shed"]) == (1, 49)


def test_a_candidate_that_fails_harms_nothing() -> None:
    def broken(candidate: str, history: History, request: tuple[str, ...]) -> tuple[str, ...]:
        raise ValueError("no such film")

    world = ShadowWorld(rank=broken)
    world.shadow.follow(rollout(), "candidate")
    world.shadow.offer("u", ("a",))
    found = world.results(1)
    world.shadow.stop()
    assert (found["failed"], found["scored"], found["overlap"]) == (1, 0, None)


@pytest.mark.parametrize("candidate", [None])
def test_without_a_candidate_nothing_waits(candidate: None) -> None:
    world = ShadowWorld()
    world.shadow.follow(rollout(), candidate)
    world.shadow.offer("u", ("a",))
    world.shadow.tell()
    assert world.rollouts.find("s").results == {}  # type: ignore[union-attr]
