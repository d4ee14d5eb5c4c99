"""Every answer is counted, timed and named; GET /metrics; headers of security and CORS."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from adapters.telemetry import PrometheusTelemetry
from recommender.request_id import RANDOM_BITS, request_id
from recommender.types import Role
from tests.web_world import Clock, World, options
from web.identifiers import Identifiers

TIMES = st.integers(0, 2**48 - 1)
BITS = st.integers(0, 2**RANDOM_BITS - 1)


@given(TIMES, BITS)
def test_a_request_id_is_a_uuid_of_version_7_that_holds_its_time_and_bits(
    at_ms: int, bits: int
) -> None:
    text = request_id(at_ms, bits)
    made = uuid.UUID(text)
    assert str(made) == text and len(text) == 36
    assert made.version == 7 and made.variant == uuid.RFC_4122
    assert made.int >> 80 == at_ms
    assert (made.int >> 64 & 0xFFF) << 62 | made.int & (1 << 62) - 1 == bits


@given(TIMES, TIMES, BITS, BITS)
def test_request_ids_sort_by_time(early: int, late: int, one: int, other: int) -> None:
    if early < late:
        assert request_id(early, one) < request_id(late, other)


def test_identifiers_differ_beyond_one_fill_of_random_bytes() -> None:
    identifiers = Identifiers(Clock())
    assert len({identifiers.new() for _ in range(5000)}) == 5000


def test_identifiers_in_order_rise_within_a_millisecond_and_with_the_clock() -> None:
    clock = Clock()
    identifiers = Identifiers(clock)
    made = []
    for _ in range(3):
        made += [identifiers.in_order() for _ in range(5000)]
        clock.now_ms += 1
    assert made == sorted(set(made))
    assert {uuid.UUID(each).version for each in made} == {7}
    assert {uuid.UUID(each).int >> 80 for each in made} == {clock.now_ms - n for n in (1, 2, 3)}


def test_identifiers_in_order_differ_for_many_threads() -> None:
    identifiers = Identifiers(Clock())
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: identifiers.in_order(), range(4000)))
    assert len(set(made)) == 4000


def test_every_answer_is_counted_by_route_and_status() -> None:
    world = World(options(rate_limit_per_minute=6))
    world.client.get("/movies")
    world.client.get("/movies/unknown-1")
    world.client.get("/movies/unknown-2")
    world.client.get("/nowhere/at/all")
    world.client.delete("/rate")
    world.client.post("/rate", data="{", content_type="application/json")
    world.client.get("/movies")
    assert world.telemetry.requests == {
        ("/movies", 200): 1, ("/movies/<item_id>", 404): 2, ("unmatched", 404): 1,
        ("unmatched", 405): 1, ("/rate", 400): 1, ("/movies", 429): 1}
    assert len(world.telemetry.seconds) == 7
    assert all(0 < seconds < 5 for seconds in world.telemetry.seconds)


@pytest.mark.parametrize("path", ["/movies", "/nowhere", "/models", "/metrics", "/docs", "/ready"])
def test_every_answer_has_a_request_id_of_its_own_and_security_headers(path: str) -> None:
    world = World()
    first, second = world.client.get(path), world.client.get(path)
    assert uuid.UUID(first.headers["X-Request-ID"]).version == 7
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["X-Frame-Options"] == "DENY"
    assert first.headers["Referrer-Policy"] == "same-origin"


def test_a_page_without_a_policy_of_its_own_gets_one() -> None:
    world = World()
    world.app.add_url_rule("/static/page", "static_page", lambda: "<p>hello</p>")
    answer = world.client.get("/static/page", headers=world.key(Role.ADMIN))
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "Content-Security-Policy" not in world.client.get("/movies").headers


def test_metrics_shows_the_registry_in_prometheus_format() -> None:
    telemetry = PrometheusTelemetry(Clock())
    world = World(telemetry=telemetry, registry=telemetry.registry)
    for _ in range(3):
        world.client.get("/movies")
    world.client.get("/nowhere")
    world.client.post("/rate", json={"user_id": "u", "item_id": "m", "rating": 5})
    answer = world.client.get("/metrics")
    assert answer.mimetype == "text/plain"
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text) for sample in family.samples}
    counted = "reco_requests_total"
    assert samples[counted, (("route", "/movies"), ("status", "200"))] == 3
    assert samples[counted, (("route", "unmatched"), ("status", "404"))] == 1
    assert samples["reco_request_seconds_count", (("route", "/movies"),)] == 3
    assert samples["reco_events_accepted_total", ()] == 1


def test_metrics_does_not_grow_with_the_paths_that_are_asked() -> None:
    world = World()
    for number in range(50):
        world.client.get(f"/no/{number}")
        world.client.get(f"/movies/{number}")
    assert len(world.telemetry.requests) == 2


def test_without_origins_no_cors_header_is_sent() -> None:
    answer = World().client.get("/movies", headers={"Origin": "https://shop.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_browsers_may_call_from_the_origins_set_and_from_no_other() -> None:
    world = World(options(cors_origins=("https://shop.example",), client_keys_required=True))
    preflight = world.client.options("/rate", headers={
        "Origin": "https://shop.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "Idempotency-Key"})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "idempotency-key" in preflight.headers["Access-Control-Allow-Headers"].lower()
    other = world.client.get("/movies", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
