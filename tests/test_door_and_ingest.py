"""What the door takes, ingest takes: nothing is answered with 200 and dead-lettered later."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recommender.errors import InvalidField
from recommender.schemas import RATING_MAX, RATING_MIN, RATING_STEP, validate
from tests.fakes import event_frame
from tests.web_world import NOW_MS, World
from web.payloads import BODY_OF, RateBody, parse_event

ALMOST = st.builds(
    lambda steps, off: steps * RATING_STEP + off,
    st.integers(0, 11), st.sampled_from([0.0, 1e-10, -1e-10, 1e-15, 1e-9]) | st.floats(-0.1, 0.1),
)
NEXT_TO = st.builds(
    lambda steps, to: math.nextafter(steps * RATING_STEP, to),
    st.integers(1, 10), st.sampled_from([-math.inf, math.inf]),
)
TIMES = (
    st.integers(-1, NOW_MS + 400_000) | st.integers(0, NOW_MS // 1000 + 400)
    | st.floats() | st.datetimes().map(lambda at: at.isoformat()) | st.none()
)
TEXT = st.text(max_size=20) | st.text(st.sampled_from("aZ0._:-"), min_size=1, max_size=128)
IDS = st.text(st.sampled_from("aZ0._:-"), min_size=1, max_size=128) | st.integers() | TEXT
BODIES = st.fixed_dictionaries(
    {"user_id": IDS, "item_id": IDS, "query": TEXT,
     "rating": ALMOST | NEXT_TO | st.floats() | st.integers(0, 6)},
    optional={"timestamp": TIMES, "event_id": IDS, "minute": st.integers(-1, 100_001)},
)


@given(st.sampled_from(sorted(BODY_OF)), BODIES)
def test_what_the_door_takes_ingest_takes(kind: str, value: dict[str, Any]) -> None:
    try:
        event = parse_event(BODY_OF[kind], value, NOW_MS).event("e1", NOW_MS)
    except ValidationError:
        return
    _, refused = validate(event_frame([event]), NOW_MS)
    assert not refused


@given(ALMOST | NEXT_TO)
def test_a_rating_is_taken_exactly_when_it_is_on_a_step(rating: float) -> None:
    steps = [RATING_STEP * n for n in range(20)]
    fits = rating in [step for step in steps if RATING_MIN <= step <= RATING_MAX]
    body = {"user_id": "u", "item_id": "m", "rating": rating}
    if fits:
        assert parse_event(RateBody, body, NOW_MS).event("e", NOW_MS).rating == rating
    else:
        with pytest.raises(ValidationError):
            parse_event(RateBody, body, NOW_MS)


def test_a_rating_beside_a_step_is_refused_at_the_door() -> None:
    world = World()
    body = {"user_id": "u", "item_id": "m", "rating": 0.5000000001}
    answer = world.client.post("/rate", json=body)
    assert answer.status_code == 422 and not world.outbox.events
    assert answer.json["errors"] == [
        {"field": "rating", "reason": "must be a multiple of 0.5"}]


RATE = {"user_id": "u1", "rating": 4}


@pytest.mark.parametrize(("path", "fields", "named"), [
    ("/rate", {"item_id": "m1", "movie_id": "m2", **RATE}, "item_id"),
    ("/watch", {"item_id": "m1", "movie_id": None, "user_id": "u1"}, "item_id"),
    ("/rate", {"item_id": "m1", "timestamp": 1, "ts": 2, **RATE}, "timestamp"),
    ("/rate", {"item_id": "m1", "timestamp": None, "ts": 2, **RATE}, "timestamp"),
    ("/rate", {"item_id": "m1", "timestamp": "2026-01-01", "ts": "never", **RATE}, "timestamp"),
    ("/rate", {"item_id": "m1", "type": "watch", **RATE}, "type"),
    ("/watch", {"item_id": "m1", "type": "rate", **RATE}, "type"),
    ("/rate", {"item_id": "m1", "type": None, **RATE}, "type"),
])
def test_a_body_that_contradicts_itself_or_its_route_is_422(
    path: str, fields: dict[str, Any], named: str
) -> None:
    world = World()
    answer = world.client.post(path, json=fields)
    assert answer.status_code == 422 and not world.outbox.events
    assert [error["field"] for error in answer.json["errors"]] == [named]


@pytest.mark.parametrize("fields", [
    {"item_id": "42", "movie_id": 42},
    {"item_id": "m1", "type": "rate"},
    {"item_id": "m1", "timestamp": 1_767_225_600, "ts": "2026-01-01T00:00:00Z"},
    {"item_id": "m1", "timestamp": None, "ts": None},
])
def test_saying_the_same_twice_is_no_contradiction(fields: dict[str, Any]) -> None:
    world = World()
    assert world.client.post("/rate", json={**RATE, **fields}).status_code == 200
    assert len(world.outbox.events) == 1


def test_a_line_that_contradicts_itself_is_named_and_the_others_are_taken() -> None:
    world = World()
    lines = (b'{"type":"watch","user_id":"u","item_id":"a","movie_id":"b"}\n'
             b'{"type":"search","user_id":"u","query":"x","item_id":"a","movie_id":"b"}\n')
    answer = world.client.post("/events", data=lines, content_type="application/x-ndjson")
    assert answer.json["accepted"] == 1
    assert [line["errors"][0]["field"] for line in answer.json["rejected"]] == ["item_id"]


def test_a_contradiction_is_told_apart_from_a_value_that_is_not_acceptable() -> None:
    with pytest.raises(InvalidField):
        parse_event(RateBody, {"item_id": "a", "movie_id": "b"}, NOW_MS)
