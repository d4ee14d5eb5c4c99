"""Rollouts by HTTP and on the pages."""

from __future__ import annotations

from typing import Any

import pytest

from recommender.experiments.power import (
    detectable_effect,
    needed_users,
    needed_users_always_valid,
)
from recommender.experiments.rollout import RolloutEnd
from recommender.types import ModelStatus, Role
from tests.admin_desk import Desk
from tests.experiment_world import BROKEN, CANDIDATE, REFUSED, STABLE, ExperimentWorld


@pytest.fixture
def world() -> ExperimentWorld:
    return ExperimentWorld()


def update(world: ExperimentWorld, query: str = "", **body: Any) -> Any:
    admin = world.key(Role.ADMIN)
    if body:
        return world.client.post(f"/rollout/update{query}", headers=admin, json=body)
    return world.client.post(f"/rollout/update?{query}", headers=admin)


def test_a_canary_begins_by_query(world: ExperimentWorld) -> None:
    answer = update(world, f"strategy=canary&canary_version={CANDIDATE}&canary_percentage=10")
    assert answer.status_code == 200
    assert answer.json["strategy"] == "canary"
    assert answer.json["rollout"]["canary_percentage"] == 10
    assert answer.json["rollout"]["stable_version"] == STABLE
    assert world.status_of(CANDIDATE) is ModelStatus.CANDIDATE


def test_a_canary_begins_by_json_at_its_first_step(world: ExperimentWorld) -> None:
    answer = update(world, strategy="canary", canary_version="2")
    assert answer.json["rollout"]["canary_percentage"] == 5
    assert answer.json["rollout"]["canary_version"] == CANDIDATE


def test_query_and_json_together_are_refused(world: ExperimentWorld) -> None:
    answer = update(world, "?strategy=canary", strategy="fixed")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["field"] == "strategy"


def test_an_ab_test_without_a_candidate_compares_diversity(world: ExperimentWorld) -> None:
    rollout = update(world, "strategy=ab_test").json["rollout"]
    assert (rollout["canary_version"], rollout["diversity"]) == (STABLE, 0.3)
    assert rollout["canary_percentage"] == 50
    assert world.status_of(STABLE) is ModelStatus.SERVING


@pytest.mark.parametrize(("query", "status", "field"), [
    ("strategy=canary", 422, "canary_version"),
    ("strategy=roulette", 422, "strategy"),
    ("", 422, "strategy"),
    (f"strategy=canary&canary_version={CANDIDATE}&canary_percentage=nan", 422,
     "canary_percentage"),
    (f"strategy=canary&canary_version={CANDIDATE}&canary_percentage=100", 422,
     "canary_percentage"),
    (f"strategy=canary&canary_version={STABLE}", 422, "canary_version"),
    ("strategy=canary&canary_version=nothing", 404, None),
    (f"strategy=canary&canary_version={REFUSED}", 409, None),
    (f"strategy=shadow&canary_version={BROKEN}", 409, None),
    (f"strategy=ab_test&name={'n' * 65}", 422, "name"),
    (f"strategy=canary&canary_version={CANDIDATE}&diversity=0.3", 422, "diversity"),
    ("strategy=canary&diversity=0.3", 422, "diversity"),
    ("strategy=shadow", 422, "canary_version"),
    (f"strategy=canary&canary_version={CANDIDATE}&percentage=1", 422, "percentage"),
])
def test_what_cannot_be_rolled_out_is_refused_and_changes_nothing(
        world: ExperimentWorld, query: str, status: int, field: str | None) -> None:
    answer = update(world, query)
    assert answer.status_code == status, answer.text
    assert field is None or answer.json["errors"][0]["field"] == field
    assert world.rollouts.current() is None and not world.decided


def test_asking_again_moves_the_percentage(world: ExperimentWorld) -> None:
    first = update(world, f"strategy=canary&canary_version={CANDIDATE}").json["rollout"]
    world.clock.now_ms += 60_000
    again = update(world, f"strategy=canary&canary_version={CANDIDATE}&canary_percentage=25")
    assert again.json["rollout"]["name"] == first["name"]
    assert again.json["rollout"]["canary_percentage"] == 25
    assert again.json["rollout"]["step_since"] > first["step_since"]
    same = update(world, f"strategy=canary&canary_version={CANDIDATE}")
    assert same.json["rollout"] == again.json["rollout"]


def test_another_candidate_supersedes(world: ExperimentWorld) -> None:
    first = update(world, f"strategy=canary&canary_version={CANDIDATE}").json["rollout"]["name"]
    update(world, "strategy=ab_test&name=next")
    ended = world.rollouts.find(first)
    assert ended is not None and ended.outcome is RolloutEnd.SUPERSEDED
    assert world.status_of(CANDIDATE) is ModelStatus.AVAILABLE


def test_fixed_ends_it_and_the_stable_model_serves_on(world: ExperimentWorld) -> None:
    update(world, f"strategy=canary&canary_version={CANDIDATE}")
    answer = update(world, "strategy=fixed")
    assert (answer.json["strategy"], answer.json["rollout"]) == ("fixed", None)
    assert world.status_of(STABLE) is ModelStatus.SERVING
    assert update(world, "strategy=fixed").status_code == 200


@pytest.mark.parametrize(("more", "field"), [
    (f"canary_version={CANDIDATE}", "canary_version"), ("diversity=0.3", "diversity"),
    ("canary_percentage=50", "canary_percentage"), ("name=last", "name"),
])
def test_fixed_with_anything_else_is_refused_and_tells_of_switch(
        world: ExperimentWorld, more: str, field: str) -> None:
    update(world, f"strategy=canary&canary_version={CANDIDATE}")
    answer = update(world, f"strategy=fixed&{more}")
    assert answer.status_code == 422
    (error,) = answer.json["errors"]
    assert error["field"] == field and "/switch" in error["reason"]
    assert world.rollouts.current() is not None


def test_every_change_is_audited_with_who_from_and_to(world: ExperimentWorld) -> None:
    update(world, f"strategy=canary&canary_version={CANDIDATE}&name=c")
    update(world, f"strategy=canary&canary_version={CANDIDATE}&canary_percentage=25")
    update(world, "strategy=fixed")
    entries = [e for e in world.audit_log.entries() if e.action == "rollout_update"][::-1]
    assert [e.detail for e in entries] == [
        f"from fixed to canary {CANDIDATE} 5 %: asked for",
        f"from canary {CANDIDATE} 5 % to canary {CANDIDATE} 25 %: asked for",
        f"from canary {CANDIDATE} 25 % to stopped: asked for",
    ]
    assert {e.target for e in entries} == {"c"}
    assert all(e.actor.startswith("key:") and e.at_ms == world.clock() for e in entries)
    assert len(world.decided) == 3


def test_a_name_is_used_once(world: ExperimentWorld) -> None:
    update(world, "strategy=ab_test&name=one")
    update(world, "strategy=fixed")
    answer = update(world, "strategy=ab_test&name=one")
    assert answer.status_code == 422 and answer.json["errors"][0]["field"] == "name"


def test_experiments_are_listed_and_told_of(world: ExperimentWorld) -> None:
    update(world, "strategy=ab_test&name=one")
    world.rollouts.note_results("one", {"verdict": "inconclusive"})
    admin = world.key(Role.ADMIN)
    listed = world.client.get("/experiments", headers=admin).json["experiments"]
    assert [one["name"] for one in listed] == ["one"]
    told = world.client.get("/experiments/one", headers=admin).json
    assert told["results"] == {"verdict": "inconclusive"}
    assert world.client.get("/experiments/two", headers=admin).status_code == 404


def test_online_success_is_in_the_status(world: ExperimentWorld) -> None:
    versions = [{"model_version": STABLE, "ratio": 0.25}]
    world.reports.write("online_success", {"versions": versions})
    status = world.client.get("/rollout/status", headers=world.key(Role.ADMIN)).json
    assert status["strategy"] == "fixed" and status["online_success"] == versions


def test_the_status_tells_what_an_ab_test_needs_before_it_begins(world: ExperimentWorld) -> None:
    admin = world.key(Role.ADMIN)
    unknown = world.client.get("/rollout/status", headers=admin).json["ab_test_plan"]
    assert unknown["base"] is None and unknown["needed_users_z_test"] is None
    world.reports.write("online_success", {"versions": [
        {"model_version": CANDIDATE, "ratio": 0.9}, {"model_version": STABLE, "ratio": 0.3}]})
    plan = world.client.get("/rollout/status", headers=admin).json["ab_test_plan"]
    assert plan["base"] == 0.3 and plan["relative_effect"] == 0.05
    assert plan["needed_users_z_test"] == needed_users(0.3, 0.015)
    assert plan["needed_users_always_valid"] == needed_users_always_valid(0.3, 0.015)
    assert plan["detectable"][1] == [10_000, pytest.approx(detectable_effect(0.3, 10_000))]


@pytest.mark.parametrize(("field", "value"), [("canary_percentage", True), ("diversity", False),
                                              ("percentage", 1)])
def test_a_wrong_field_of_the_json_is_named_and_changes_nothing(
        world: ExperimentWorld, field: str, value: object) -> None:
    answer = world.client.post("/rollout/update", headers=world.key(Role.ADMIN), json={
        "strategy": "canary", "canary_version": CANDIDATE, field: value})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]
    assert world.rollouts.current() is None


def test_json_may_name_the_candidate_by_its_integer_version(world: ExperimentWorld) -> None:
    record = world.allow_list.find(CANDIDATE)
    assert record is not None
    answer = world.client.post("/rollout/update", headers=world.key(Role.ADMIN), json={
        "strategy": "canary", "canary_version": record.version})
    assert answer.status_code == 200
    assert answer.get_json()["rollout"]["canary_version"] == CANDIDATE


@pytest.mark.parametrize("path", ["/rollout/status", "/experiments", "/experiments/one"])
def test_clients_may_not_look(world: ExperimentWorld, path: str) -> None:
    assert world.client.get(path, headers=world.key(Role.CLIENT)).status_code == 403


def test_clients_may_not_change_it(world: ExperimentWorld) -> None:
    answer = world.client.post("/rollout/update?strategy=ab_test",
                               headers=world.key(Role.CLIENT))
    assert answer.status_code == 403 and world.rollouts.current() is None


def test_no_rollout_without_a_serving_model() -> None:
    world = ExperimentWorld()
    world.allow_list.__init__()  # type: ignore[misc]
    assert update(world, "strategy=ab_test").status_code == 404


# --- pages


@pytest.fixture
def desk(world: ExperimentWorld) -> Desk:
    made = Desk(world)
    assert made.log_in().status_code == 303
    return made


def test_a_page_begins_and_ends_a_rollout(desk: Desk, world: ExperimentWorld) -> None:
    assert "No rollout runs" in desk.text("/admin/experiments")
    page = desk.act("/admin/experiments/update", "/admin/experiments", strategy="canary",
                    candidate=CANDIDATE, percentage="", diversity="", name="from-page").text
    assert "from-page runs at 5 %" in page
    assert "knn, version 2" in desk.text("/admin/experiments")
    assert "has ended" in desk.act("/admin/experiments/stop", "/admin/experiments").text
    assert "stopped" in desk.text("/admin/experiments/from-page")
    assert world.rollouts.current() is None


def test_the_page_tells_how_many_users_an_ab_test_needs(desk: Desk, world: ExperimentWorld) -> None:
    assert "is told when the success of the serving model is known" in desk.text(
        "/admin/experiments")
    world.reports.write("online_success", {"versions": [{
        "model_version": STABLE, "ratio": 0.3, "answers": 10, "successes": 3,
        "interval": [0.1, 0.6]}]})
    needed = f"{needed_users(0.3, 0.015):,}".replace(",", " ")
    assert f"z-test {needed}" in desk.text("/admin/experiments")


def test_a_page_asks_before_it_begins(desk: Desk, world: ExperimentWorld) -> None:
    answer = desk.post("/admin/experiments/update", "/admin/experiments", strategy="ab_test")
    assert answer.status_code == 200 and "Begin ab_test" in answer.text
    assert world.rollouts.current() is None


def test_no_page_of_an_unknown_experiment(desk: Desk) -> None:
    assert desk.get("/admin/experiments/nothing").status_code == 404
