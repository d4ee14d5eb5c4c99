"""Replicas count requests together in Redis; while it is away requests are let through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import structlog

from recommender.types import Role
from tests.limited_requests import exceed, get, minutes_of_excess, world_of
from tests.redis_server import RedisServer
from tests.web_world import World
from web import redis_storage

pytestmark = pytest.mark.needs_tool("redis-server", "setpriv")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    made = RedisServer()
    made.start()
    yield made
    made.remove()


@pytest.fixture
def replica(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    """Makes an application that counts in the server, which holds no counts yet."""
    monkeypatch.setattr(redis_storage, "RETRY_AFTER_S", 0.2)
    server.empty()
    return lambda **values: world_of(limits_storage_uri=server.url, **values)


def lost(world: World) -> int:
    return world.telemetry.counted["rate_limiter_failed",]


def test_two_applications_share_a_limit(replica: Callable[..., World]) -> None:
    one, other = replica(rate_limit_per_minute=4), replica(rate_limit_per_minute=4)
    answers = [get(world).status_code for _ in range(3) for world in (one, other)]
    assert answers == [200, 200, 200, 200, 429, 429]
    assert exceed(other, 2, "203.0.113.8") == [200, 200]
    refused = get(one)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert lost(one) == lost(other) == 0


def test_a_block_by_one_application_holds_at_the_other(replica: Callable[..., World]) -> None:
    one, other = replica(rate_limit_per_minute=1), replica(rate_limit_per_minute=1)
    blocked = minutes_of_excess(one, 3)
    assert "blocked" in blocked.json["detail"]
    answer = get(other)
    assert answer.status_code == 429 and "blocked" in answer.json["detail"]
    assert 295 <= int(answer.headers["Retry-After"]) <= 300
    assert get(other, "203.0.113.9").status_code == 200


def test_special_limits_are_shared_too(replica: Callable[..., World]) -> None:
    one, other = replica(retrain_limit="2 per minute"), replica(retrain_limit="2 per minute")
    answers = []
    for world in (one, other, one):
        admin = world.key(Role.ADMIN)
        answers.append(world.client.post("/models/retrain", headers=admin).status_code)
    assert answers[2] == 429 and 429 not in answers[:2]


def test_requests_pass_and_are_counted_from_the_death_of_redis_to_its_return(
    server: RedisServer, replica: Callable[..., World]
) -> None:
    world = replica(rate_limit_per_minute=3)
    assert exceed(world, 4) == [200, 200, 200, 429]
    server.kill()
    try:
        with structlog.testing.capture_logs() as lines:
            begun = time.monotonic()
            assert set(exceed(world, 50)) == {200}
            assert time.monotonic() - begun < 2
        assert lost(world) == 50
        assert [line["event"] for line in lines if "storage" in line["event"]] == [
            "limits_storage_away"
        ]
        admin = world.key(Role.ADMIN)
        assert world.client.post("/models/retrain", headers=admin).status_code == 202
    finally:
        server.start()
    time.sleep(0.3)
    with structlog.testing.capture_logs() as lines:
        assert exceed(world, 4) == [200, 200, 200, 429]
    assert "limits_storage_back" in [line["event"] for line in lines]
    assert lost(world) == 51  # and the retrain; none since


def test_a_restart_between_two_requests_is_not_noticed(
    server: RedisServer, replica: Callable[..., World]
) -> None:
    world = replica(rate_limit_per_minute=3)
    assert exceed(world, 2) == [200, 200]
    server.kill()
    server.start()
    assert exceed(world, 4) == [200, 200, 200, 429]
    assert lost(world) == 0


def test_a_redis_that_hangs_delays_one_request_and_not_all(
    server: RedisServer, replica: Callable[..., World]
) -> None:
    world = replica(rate_limit_per_minute=1000)
    assert get(world).status_code == 200
    server.freeze()
    try:
        begun = time.monotonic()
        assert get(world).status_code == 200
        first_s = time.monotonic() - begun
        begun = time.monotonic()
        assert set(exceed(world, 20)) == {200}
        assert time.monotonic() - begun < 1
    finally:
        server.thaw()
    assert redis_storage.TIMEOUT_S <= first_s < 3 * redis_storage.TIMEOUT_S
    assert lost(world) == 21
    time.sleep(0.3)
    assert exceed(world, 2) == [200, 200]
    assert lost(world) == 21


def test_an_application_starts_and_serves_without_its_redis() -> None:
    nobody = RedisServer()  # not started
    world = world_of(limits_storage_uri=nobody.url, rate_limit_per_minute=1)
    assert exceed(world, 3) == [200] * 3
    assert lost(world) == 3
    nobody.remove()
