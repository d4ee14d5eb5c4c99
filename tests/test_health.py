"""GET /health, /healthz and /ready."""

from __future__ import annotations

import pytest

from recommender.types import ModelStatus
from tests.web_world import World, options
from web.answers import HealthAnswer, ReadyAnswer

VERSION = "20261121T003000Z"


@pytest.fixture
def world() -> World:
    made = World()
    made.add_model(VERSION, ModelStatus.SERVING, name="transition_knn")
    return made


@pytest.mark.parametrize("path", ["/health", "/healthz"])
def test_health_tells_uptime_and_the_served_model(world: World, path: str) -> None:
    world.clock.now_ms += 90_500
    health = HealthAnswer.model_validate(world.client.get(path).json)
    assert health.uptime_s == 90.5 and health.model is not None
    assert (health.model.name, health.model.version) == ("transition_knn", VERSION)
    assert health.model.age_s == 90.5 and health.model.git_sha and health.model.data_snapshot_id


def test_health_is_ok_without_a_model_store_or_key() -> None:
    world = World(options(client_keys_required=True))
    world.store.down = True
    answer = world.client.get("/health")
    assert answer.status_code == 200 and answer.json["model"] is None


def test_ready_when_everything_answers(world: World) -> None:
    answer = world.client.get("/ready")
    ready = ReadyAnswer.model_validate(answer.json)
    assert answer.status_code == 200 and ready.status == "ready"
    assert set(ready.checks) >= {"store", "bus", "model"}
    assert set(ready.checks.values()) == {"ok"}


def test_ready_is_degraded_and_200_while_the_bus_is_away(world: World) -> None:
    world.bus_up = False
    answer = world.client.get("/ready")
    assert answer.status_code == 200 and answer.json["status"] == "degraded"
    assert answer.json["checks"]["bus"] != "ok" and answer.json["checks"]["store"] == "ok"


def test_ready_is_degraded_while_the_outbox_takes_nothing(world: World) -> None:
    world.outbox.refuses = True
    assert world.client.get("/ready").json["status"] == "degraded"


def test_ready_does_not_flap_while_the_outbox_refuses_now_and_then(world: World) -> None:
    """As on a disk that is nearly full."""
    told = []
    for second in range(0, 100, 5):
        world.clock.now_ms += 5_000
        world.outbox.refuses = second < 50 and second % 10 == 0
        told.append(world.client.get("/ready").json["status"])
    # the last refusal was seen at 40 s, so it is steady from 70 s on
    assert told == ["degraded"] * 14 + ["ready"] * 6


def test_ready_is_503_without_the_store(world: World) -> None:
    world.store.down = True
    answer = world.client.get("/ready")
    assert answer.status_code == 503 and answer.json["status"] == "unavailable"
    assert answer.json["checks"]["store"] != "ok"


def test_ready_is_503_before_the_first_model() -> None:
    answer = World().client.get("/ready")
    assert answer.status_code == 503
    assert answer.json["checks"] == {
        "store": "ok", "model": "no model yet", "bus": "ok", "outbox": "ok"}
