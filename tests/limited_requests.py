"""Requests against the limits of an application, from addresses of the tests."""

from __future__ import annotations

import time
from typing import Any

from tests.web_world import World
from web.services import WebOptions


def world_of(**values: Any) -> World:
    world = World(WebOptions(**values))
    world.clock.now_ms = time.time_ns() // 1_000_000
    return world


def get(world: World, address: str = "203.0.113.7", path: str = "/movies",
        **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return world.client.get(path, headers=named, environ_overrides={"REMOTE_ADDR": address})


def exceed(world: World, times: int = 1, address: str = "203.0.113.7") -> list[int]:
    return [get(world, address).status_code for _ in range(times)]


def minutes_of_excess(world: World, minutes: int, apart: int = 1) -> Any:
    # the window of the storage runs on the real clock and stays full through the test
    answer = get(world)
    for minute in range(minutes):
        if minute:
            world.clock.now_ms += apart * 60_000
        answer = get(world)
    return answer
