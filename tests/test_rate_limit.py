"""Requests a minute and address, blocks, proxies, and what happens when the storage fails."""

from __future__ import annotations

import pytest
from limits.storage import Storage

from recommender.types import Role
from tests.limited_requests import exceed, get, minutes_of_excess, world_of
from tests.web_world import World
from web.window_storage import WindowStorage


class SharedStorage(Storage):
    """A storage that several applications share, as replicas share a server's."""

    STORAGE_SCHEME = ["shared"]  # noqa: RUF012 (declared so in `Storage`)
    kept = WindowStorage()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ConnectionError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self.kept.incr(key, expiry, amount)

    def get(self, key: str) -> int:
        return self.kept.get(key)

    def get_expiry(self, key: str) -> float:
        return self.kept.get_expiry(key)

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        return self.kept.reset()

    def clear(self, key: str) -> None:
        self.kept.clear(key)


class LostStorage(SharedStorage):
    """A storage that cannot be reached."""

    STORAGE_SCHEME = ["lost"]  # noqa: RUF012

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise ConnectionError("no route to host")

    def get(self, key: str) -> int:
        raise ConnectionError("no route to host")


def test_the_101st_request_of_a_minute_is_refused_and_told_when_to_come_again() -> None:
    world = world_of()
    assert exceed(world, 100) == [200] * 100
    refused = get(world)
    assert refused.status_code == 429 and refused.mimetype == "application/problem+json"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["X-Request-ID"]


def test_each_address_has_its_own_count() -> None:
    world = world_of(rate_limit_per_minute=2)
    assert exceed(world, 3) == [200, 200, 429]
    assert exceed(world, 3, "203.0.113.8") == [200, 200, 429]


def test_all_routes_share_the_count_also_those_that_do_not_exist() -> None:
    world = world_of(rate_limit_per_minute=3)
    assert get(world, path="/nowhere").status_code == 404
    assert get(world, path="/docs").status_code == 200
    assert get(world, path="/models").status_code == 401
    assert get(world, path="/nowhere").status_code == 429


def test_health_and_metrics_are_without_limit() -> None:
    world = world_of(rate_limit_per_minute=1)
    assert exceed(world, 2) == [200, 429]
    for path in ("/health", "/healthz", "/ready", "/metrics"):
        assert all(get(world, path=path).status_code != 429 for _ in range(5))


def test_a_forwarded_address_is_ignored_without_proxies() -> None:
    world = world_of(rate_limit_per_minute=2)
    statuses = [get(world, X_Forwarded_For=f"198.51.100.{n}").status_code for n in range(3)]
    assert statuses == [200, 200, 429]


def test_behind_one_proxy_only_the_address_that_it_added_is_believed() -> None:
    world = world_of(rate_limit_per_minute=2, trusted_proxies=1)
    spoofed = [get(world, X_Forwarded_For=f"198.51.100.{n}, 192.0.2.1").status_code
               for n in range(3)]
    assert spoofed == [200, 200, 429]
    assert get(world, X_Forwarded_For="192.0.2.2").status_code == 200


def test_excess_in_three_minutes_blocks_the_address_for_five_minutes() -> None:
    world = world_of(rate_limit_per_minute=1)
    answer = minutes_of_excess(world, 3)
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "300"
    assert "blocked" in answer.json["detail"]
    _forget_counts(world)
    world.clock.now_ms += 299_000
    still = get(world)
    assert still.status_code == 429 and still.headers["Retry-After"] == "1"
    world.clock.now_ms += 1_000
    assert get(world).status_code == 200


def test_a_block_holds_also_for_a_key_and_not_for_other_addresses() -> None:
    world = world_of(rate_limit_per_minute=1)
    minutes_of_excess(world, 3)
    _forget_counts(world)
    assert get(world, path="/models", **world.key(Role.ADMIN)).status_code == 429
    assert get(world, "203.0.113.9").status_code == 200


def test_much_excess_in_two_minutes_does_not_block() -> None:
    world = world_of(rate_limit_per_minute=1)
    minutes_of_excess(world, 2)
    assert "blocked" not in get(world).json["detail"]
    assert set(exceed(world, 20)) == {429}
    _forget_counts(world)
    assert get(world).status_code == 200


@pytest.mark.parametrize(("apart", "blocked"), [(4, True), (5, False)])
def test_only_minutes_within_ten_count_together(apart: int, blocked: bool) -> None:
    world = world_of(rate_limit_per_minute=1)
    answer = minutes_of_excess(world, 3, apart)
    assert ("blocked" in answer.json["detail"]) is blocked


def test_replicas_share_counts_and_blocks() -> None:
    SharedStorage.kept.reset()
    options = {"rate_limit_per_minute": 2, "limits_storage_uri": "shared://"}
    one, other = world_of(**options), world_of(**options)
    assert exceed(one) + exceed(other) + exceed(other) == [200, 200, 429]
    minutes_of_excess(one, 3)
    answer = get(other)
    assert "blocked" in answer.json["detail"]
    assert 295 <= int(answer.headers["Retry-After"]) <= 300


def test_a_storage_that_fails_lets_requests_through_and_is_counted() -> None:
    world = world_of(rate_limit_per_minute=1, limits_storage_uri="lost://")
    assert exceed(world, 3) == [200] * 3
    assert world.telemetry.counted["rate_limiter_failed",] == 3
    admin = world.key(Role.ADMIN)
    assert world.client.post("/models/retrain", headers=admin).status_code == 202


def _forget_counts(world: World) -> None:
    (limiter,) = world.app.extensions["limiter"]
    limiter.reset()
