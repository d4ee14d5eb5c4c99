"""The look at a rollout: reports, moves on, or takes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from fastavro.validation import validate

from recommender.experiments.power import needed_users
from recommender.experiments.rollout import RolloutEnd, Strategy
from recommender.types import Event, EventType, ModelStatus
from tests.fakes import event_frame
from tests.judge_world import CANDIDATE, STABLE, WINDOW_MS, JudgeWorld
from workers.arm_records import FOLLOW_MS, first_sequence_since

CLOSED_MS = WINDOW_MS + 120_000
SCHEMA = Path(__file__).parent.parent / "schemas" / "ab-test-events.avsc"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[JudgeWorld]:
    made = JudgeWorld(tmp_path)
    yield made
    made.close()


def ended(world: JudgeWorld) -> RolloutEnd | None:
    rollout = world.rollouts.find("x")
    assert rollout is not None
    return rollout.outcome


@pytest.mark.parametrize("wrong", ["slow", "failing", "narrow"])
def test_a_bad_canary_is_taken_back_at_the_next_look(world: JudgeWorld, wrong: str) -> None:
    world.begin(Strategy.CANARY, 25.0)
    world.ask(2_000, latency={"B": 3.0} if wrong == "slow" else None,
              failing={"B": 0.10} if wrong == "failing" else None,
              narrow="B" if wrong == "narrow" else "")
    world.look_after(5_000)
    assert ended(world) is RolloutEnd.ROLLED_BACK
    assert world.metrics.ended == ["rolled_back"]
    serving = world.allow_list.serving()
    assert serving is not None and serving.version_id == STABLE
    assert world.audit.entries(1)[0].actor == "canary"
    candidate = world.allow_list.find(CANDIDATE)
    assert candidate is not None and candidate.status is ModelStatus.AVAILABLE
    assert "rolled_back" in str(candidate.reason)


def test_the_means_of_both_arms_are_gauges_while_it_runs(world: JudgeWorld) -> None:
    world.begin(Strategy.CANARY, 25.0)
    world.ask(3_000)
    world.look_after(5_000)
    assert {"coverage", "exposure_gini", "tail_share", "error_rate"} <= (
        world.metrics.means["A"].keys() & world.metrics.means["B"].keys())
    assert 0 < world.metrics.means["B"]["exposure_gini"] < 1
    running = world.rollouts.current()
    assert running is not None
    world.control.end(running, RolloutEnd.STOPPED, "key:1", "enough")
    world.look_after(5_000)
    assert world.metrics.means == {} and world.metrics.ended == ["stopped"]


def test_less_success_is_seen_when_the_windows_have_closed(world: JudgeWorld) -> None:
    world.begin(Strategy.CANARY, 25.0)
    world.ask(3_000, success={"B": 0.15})
    world.look_after(5_000)
    assert ended(world) is None
    world.look_after(CLOSED_MS)
    assert ended(world) is RolloutEnd.ROLLED_BACK


def test_a_good_canary_moves_on_and_is_served_in_the_end(world: JudgeWorld) -> None:
    world.begin(Strategy.CANARY, 25.0)
    steps = []
    for _ in range(2):
        world.ask(6_000, success={"A": 0.3, "B": 0.4})
        world.look_after(CLOSED_MS)
        current = world.rollouts.current()
        steps.append(None if current is None else current.percentage)
    assert steps == [50.0, None]
    assert ended(world) is RolloutEnd.PROMOTED
    serving = world.allow_list.serving()
    assert serving is not None and serving.version_id == CANDIDATE
    found = world.rollouts.find("x")
    assert found is not None and found.results["act"] == "promote"


def test_a_step_is_judged_on_what_came_since(world: JudgeWorld) -> None:
    world.begin(Strategy.CANARY, 25.0)
    world.ask(400, failing={"B": 1.0})
    world.clock.now_ms += 5_000
    world.begin(Strategy.CANARY, 30.0)
    world.look_after(5_000)
    found = world.rollouts.find("x")
    assert found is not None and found.results["answers"] == {"A": 0, "B": 0}


def test_users_not_divided_as_asked_keep_a_canary_where_it_is(world: JudgeWorld) -> None:
    world.begin(Strategy.CANARY, 25.0)
    world.ask(3_000, success={"A": 0.4}, arm="A")
    world.ask(3_000, success={"B": 0.5}, arm="B")
    world.look_after(CLOSED_MS)
    found = world.rollouts.find("x")
    assert found is not None and found.running
    assert found.results["act"] == "hold" and found.results["sample_ratio"]["blocks"]


def test_users_of_two_arms_are_left_out(world: JudgeWorld) -> None:
    world.begin(Strategy.AB_TEST)
    world.ask(100, arm="A")
    world._asked = 50
    world.ask(10, arm="B")
    world.look_after(5_000)
    report = world.reports.read("ab_test_results")
    assert report is not None
    assert report["users_in_both_arms_left_out"] == 10
    assert [arm["users"] for arm in report["arms"]] == [90, 0]


def test_what_is_answered_before_the_servers_follow_costs_nobody_their_arm(
        world: JudgeWorld) -> None:
    world.begin(Strategy.AB_TEST)
    world.clock.now_ms -= FOLLOW_MS - 1
    world.ask(100, arm="A", over_ms=FOLLOW_MS - 2)
    world._asked = 0
    world.clock.now_ms += 1
    world.ask(100)
    world.look_after(5_000)
    report = world.reports.read("ab_test_results")
    assert report is not None and report["users_in_both_arms_left_out"] == 0
    assert sum(arm["users"] for arm in report["arms"]) == 100
    assert not report["sample_ratio"]["blocks"]


def test_an_ab_test_is_reported_with_its_sentence(world: JudgeWorld) -> None:
    world.begin(Strategy.AB_TEST)
    world.ask(4_000, success={"A": 0.3, "B": 0.4})
    at_ms = world.clock()
    world.store.apply(event_frame(
        Event(f"r{user}", EventType.RATE, f"user-{user}", "m1", at_ms, at_ms, "api", 4.0)
        for user in range(1, 40)))
    world.reports.write("online_success", {"versions": [{"model_version": STABLE, "ratio": 0.3}]})
    world.look_after(5_000)
    early = world.reports.read("ab_test_results")
    assert early is not None and early["verdict"] == "insufficient_data"
    assert early["power"]["base"] == 0.3
    assert early["power"]["needed_users_z_test"] == needed_users(0.3, 0.015)
    assert "A change of 5% would need about" in early["sentence"]
    world.look_after(CLOSED_MS)
    report = world.reports.read("ab_test_results")
    assert report is not None
    assert report["verdict"] == "b_better" and report["status"] == "PASS"
    assert report["sentence"].startswith("B is better")
    assert not report["sample_ratio"]["blocks"]
    rates = [arm["success_rate"] for arm in report["arms"]]
    assert rates == pytest.approx([0.3, 0.4], abs=0.03)
    z, valid = report["online_success"]["z_test"], report["online_success"]["always_valid"]
    assert z["difference"] == pytest.approx(valid["difference"])
    assert valid["low"] < z["low"] < z["high"] < valid["high"]
    assert report["coverage"]["users"] == min(arm["users"] for arm in report["arms"])
    assert report["further"]["rating_mean"]["a"] == 4.0
    assert report["lists"] == 4_000
    orjson.dumps(report)
    assert world.rollouts.find("x").results == report  # type: ignore[union-attr]
    assert ended(world) is None


def test_a_broken_division_blocks_every_conclusion(world: JudgeWorld) -> None:
    world.begin(Strategy.AB_TEST)
    world.ask(1_500, arm="A", success={"A": 0.2})
    world.ask(1_000, arm="B", success={"B": 0.4})
    world.look_after(CLOSED_MS)
    report = world.reports.read("ab_test_results")
    assert report is not None
    assert report["verdict"] == "blocked" and report["status"] == "FAIL"
    assert report["sentence"].startswith("No conclusion")


def test_looks_read_only_what_is_new_and_find_the_same(tmp_path: Path) -> None:
    worlds = [JudgeWorld(tmp_path / name) for name in ("often", "once")]
    for world, looks in zip(worlds, (True, False), strict=True):
        world.begin(Strategy.AB_TEST)
        for _ in range(3):
            world.ask(200)
            if looks:
                world.look_after(5_000)
            else:
                world.clock.now_ms += 5_000
        world.look_after(CLOSED_MS)
        world.close()
    often, once = (world.reports.read("ab_test_results") for world in worlds)
    assert often == once and once is not None and once["lists"] == 600


def test_assignments_and_decisions_are_published_once(world: JudgeWorld) -> None:
    world.begin(Strategy.CANARY, 25.0)
    world.topics.down = True
    world.ask(400, failing={"B": 1.0})
    world.look_after(5_000)
    assert not world.topics.published
    world.topics.down = False
    world.look_after(60_000)
    told = [orjson.loads(message.value) for message in world.topics.published]
    assigned = [one for one in told if one["kind"] == "assignment"]
    assert len(assigned) == len({one["user_id"] for one in assigned}) == 400
    assert {one["variant"]: one["details"]["model_version"] for one in assigned} == {
        "A": STABLE, "B": CANDIDATE}
    decided = [one for one in told if one["kind"] == "decision"]
    assert [one["decision"] for one in decided] == ["runs", "rolled_back"]
    assert len({one["event_id"] for one in told}) == len(told)
    schema = json.loads(SCHEMA.read_text())
    assert all(validate(one, schema, strict=True) for one in told)


def test_online_success_counts_closed_windows_by_model(world: JudgeWorld) -> None:
    world.ask(300, arm="A", success={"A": 1.0})
    world.ask(200, arm="B", success={"B": 0.0})
    world.success.run()
    assert world.metrics.success == {}
    world.clock.now_ms += CLOSED_MS
    world.success.run()
    world.success.run()
    assert world.metrics.success == {STABLE: 1.0, CANDIDATE: 0.0}
    report = world.reports.read("online_success")
    assert report is not None
    assert {v["model_version"]: v["answers"] for v in report["versions"]} == {
        STABLE: 300, CANDIDATE: 200}


def test_the_holdout_counts_apart_and_what_was_chosen_does_not(world: JudgeWorld) -> None:
    world.ask(100, arm="A", success={"A": 1.0})
    world.ask(80, arm="holdout", success={"holdout": 0.0})
    world.ask(60, arm="chosen", success={"chosen": 0.0})
    world.clock.now_ms += CLOSED_MS
    world.success.run()
    assert world.metrics.success == {STABLE: 1.0}
    report = world.reports.read("online_success")
    assert report is not None and report["lists"] == 180
    assert (report["holdout"]["answers"], report["holdout"]["successes"]) == (80, 0)


def test_online_success_forgets_what_is_long_ago(world: JudgeWorld) -> None:
    world.ask(30, arm="A")
    world.clock.now_ms += CLOSED_MS
    world.success.run()
    world.clock.now_ms += 26 * 3_600_000
    world.success.run()
    assert world.metrics.success == {}


def test_the_first_event_of_a_time_is_found(world: JudgeWorld) -> None:
    events = [Event(f"e{n}", EventType.VIEW, "u", "m", n, 1_000 * n, "api") for n in range(50)]
    world.store.apply(event_frame(events))
    for since_ms, after in ((0, 0), (1, 1), (25_000, 25), (49_001, 50), (99_000, 50)):
        assert first_sequence_since(world.store, since_ms) == after
