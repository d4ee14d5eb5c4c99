"""POST /rate, /watch and /events."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from recommender.types import EventType, Movie, Role
from tests.web_world import NOW_MS, World, options
from web.answers import Accepted, BatchAnswer

RATING = {"user_id": "u1", "item_id": "m1", "rating": 4.5}


@pytest.fixture
def world() -> World:
    return World()


def post_lines(world: World, lines: list[Any], **kwargs: Any) -> Any:
    body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return world.client.post(
        "/events", data=body, content_type="application/x-ndjson", **kwargs)


def test_a_rating_is_in_the_outbox_when_the_answer_comes(world: World) -> None:
    answer = world.client.post(
        "/rate", json={"user_id": "user_123", "item_id": "movie_456", "rating": 5,
                       "timestamp": "2025-11-24T10:00:00"})
    body = Accepted.model_validate(answer.json)
    event = world.outbox.events[body.event_id]
    assert answer.status_code == 200 and not body.duplicate
    assert (event.type, event.user_id, event.item_id, event.rating) == (
        EventType.RATE, "user_123", "movie_456", 5.0)
    assert event.timestamp_ms == 1_763_978_400_000  # date -ud 2025-11-24T10:00:00 +%s
    assert event.received_at_ms == NOW_MS and event.client_timestamp
    assert world.telemetry.counted["events_accepted",] == 1


def test_an_event_without_id_gets_a_time_ordered_uuid(world: World) -> None:
    event_id = world.client.post("/rate", json=RATING).json["event_id"]
    made = uuid.UUID(event_id)
    assert made.version == 7 and made.int >> 80 == NOW_MS


def test_an_event_without_timestamp_happened_when_it_arrived(world: World) -> None:
    world.client.post("/rate", json={**RATING, "event_id": "e1"})
    event = world.outbox.events["e1"]
    assert event.timestamp_ms == NOW_MS and not event.client_timestamp


@pytest.mark.parametrize(("sent", "expected"), [
    ("2025-11-24T10:00:00Z", 1_763_978_400_000),
    ("2025-11-24T12:00:00+02:00", 1_763_978_400_000),
    (1_763_978_400, 1_763_978_400_000),
    (1_763_978_400.25, 1_763_978_400_250),
    (1_763_978_400_123, 1_763_978_400_123),
    (0, 0),
    (99_999_999, 99_999_999_000),
    (100_000_000_000, 100_000_000_000),
    (NOW_MS + 300_000, NOW_MS + 300_000),
])
def test_timestamps_are_iso_8601_or_seconds_or_milliseconds(
    world: World, sent: object, expected: int
) -> None:
    answer = world.client.post("/rate", json={**RATING, "event_id": "e", "timestamp": sent})
    assert answer.status_code == 200
    assert world.outbox.events["e"].timestamp_ms == expected


def test_the_names_movie_id_and_ts_are_read_too(world: World) -> None:
    body = {"user_id": 7, "movie_id": 260, "rating": 3, "ts": 1_700_000_000, "event_id": "e"}
    assert world.client.post("/rate", json=body).status_code == 200
    event = world.outbox.events["e"]
    assert (event.user_id, event.item_id) == ("7", "260")
    assert event.timestamp_ms == 1_700_000_000_000


def test_the_same_event_again_is_a_duplicate_and_stored_once(world: World) -> None:
    first = world.client.post("/rate", json={**RATING, "event_id": "e"})
    again = world.client.post("/rate", json={**RATING, "event_id": "e"})
    assert first.json == {"status": "accepted", "event_id": "e", "duplicate": False}
    assert again.json == {"status": "accepted", "event_id": "e", "duplicate": True}
    assert again.status_code == 200 and len(world.outbox.events) == 1
    assert world.telemetry.counted["events_duplicate",] == 1


def test_the_same_id_with_another_body_is_a_conflict(world: World) -> None:
    world.client.post("/rate", json={**RATING, "event_id": "e"})
    answer = world.client.post("/rate", json={**RATING, "event_id": "e", "rating": 1})
    assert answer.status_code == 409
    assert answer.json["errors"][0]["field"] == "event_id"
    assert world.outbox.events["e"].rating == 4.5


def test_the_idempotency_key_header_is_the_event_id(world: World) -> None:
    headers = {"Idempotency-Key": '"abc-1"'}
    first = world.client.post("/watch", json={"user_id": "u", "item_id": "m"}, headers=headers)
    again = world.client.post("/watch", json={"user_id": "u", "item_id": "m"}, headers=headers)
    assert first.json["event_id"] == "abc-1" and again.json["duplicate"]


def test_a_header_and_a_body_that_name_different_ids_are_refused(world: World) -> None:
    answer = world.client.post(
        "/rate", json={**RATING, "event_id": "a"}, headers={"Idempotency-Key": "b"})
    assert answer.status_code == 422 and answer.json["errors"][0]["field"] == "event_id"
    assert not world.outbox.events


def test_a_watch_may_tell_the_minute(world: World) -> None:
    world.client.post(
        "/watch", json={"user_id": "u", "item_id": "m", "minute": 42, "event_id": "e"})
    event = world.outbox.events["e"]
    assert (event.type, event.minute, event.rating) == (EventType.WATCH, 42, None)


def test_fields_that_are_not_known_are_ignored(world: World) -> None:
    answer = world.client.post("/rate", json={**RATING, "device": "tv", "rating_style": None})
    assert answer.status_code == 200


def test_the_21st_rating_of_an_hour_is_refused_until_the_hour_is_over() -> None:
    world = World(ratings_per_hour=20)
    for film in range(20):
        answer = world.client.post("/rate", json={**RATING, "item_id": f"m{film}"})
        assert answer.status_code == 200
    refused = world.client.post("/rate", json=RATING)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) == 3600
    world.clock.now_ms += 3_600_000
    assert world.client.post("/rate", json=RATING).status_code == 200


def test_an_open_catalogue_takes_an_unknown_film(world: World) -> None:
    assert world.client.post("/rate", json={**RATING, "item_id": "never-seen"}).status_code == 200


def test_a_closed_catalogue_answers_404_for_an_unknown_film_and_stores_nothing() -> None:
    world = World(options(catalogue_open=False))
    world.add_movies(Movie("m1", "Known"))
    assert world.client.post("/rate", json=RATING).status_code == 200
    answer = world.client.post("/rate", json={**RATING, "item_id": "other"})
    assert answer.status_code == 404
    assert [event.item_id for event in world.outbox.events.values()] == ["m1"]


def test_a_store_that_cannot_take_the_event_answers_503_and_when_to_come_again(
    world: World,
) -> None:
    world.outbox.refuses = True
    for answer in (world.client.post("/rate", json=RATING),
                   post_lines(world, [{"type": "rate", **RATING}])):
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "7"
        assert answer.mimetype == "application/problem+json"
    assert world.telemetry.counted["events_accepted",] == 0


def test_a_key_bound_to_a_user_may_rate_for_that_user_only() -> None:
    world = World(options(client_keys_required=True))
    headers = world.key(Role.CLIENT, "u1")
    assert world.client.post("/rate", json=RATING, headers=headers).status_code == 200
    answer = world.client.post("/rate", json={**RATING, "user_id": "u2"}, headers=headers)
    assert answer.status_code == 403 and len(world.outbox.events) == 1
    entry = world.audit_log.entries()[0]
    assert entry.outcome.startswith("403") and entry.actor == "key:key-1"
    assert "u2" in entry.detail and entry.action == "POST /rate"


def test_an_administrators_key_may_rate_for_anybody() -> None:
    world = World(options(client_keys_required=True))
    headers = world.key(Role.ADMIN)
    assert world.client.post("/rate", json=RATING, headers=headers).status_code == 200


def test_good_lines_are_kept_and_bad_lines_are_named(world: World) -> None:
    answer = post_lines(world, [
        {"type": "rate", **RATING, "event_id": "a"},
        {"type": "rate", **RATING, "rating": 9},
        "{not json",
        "",
        {"type": "watch", "user_id": "u1", "item_id": "m2"},
        {"type": "view", "user_id": "u1", "item_id": "m3"},
        {"type": "search", "user_id": "u1", "query": "star wars"},
        {"type": "dance", "user_id": "u1"},
        {"user_id": "u1", "item_id": "m1", "rating": 3},
        {"type": "search", "user_id": "u1"},
        '{"type": "view", "user_id": "u", "user_id": "v", "item_id": "m"}',
    ])
    body = BatchAnswer.model_validate(answer.json)
    assert answer.status_code == 200
    assert (body.accepted, body.duplicates) == (4, 0)
    assert [(r.line, r.errors[0].field) for r in body.rejected] == [
        (2, "rating"), (3, "line"), (8, "type"), (9, "type"), (10, "query"), (11, "line")]
    assert sorted(event.type for event in world.outbox.events.values()) == [
        "rate", "search", "view", "watch"]


def test_a_batch_names_duplicates_conflicts_and_ratings_over_the_quota() -> None:
    world = World(ratings_per_hour=1)
    line = {"type": "rate", **RATING, "event_id": "a"}
    answer = post_lines(world, [line, line, {**line, "rating": 1}, {**line, "event_id": "b"}])
    body = BatchAnswer.model_validate(answer.json)
    assert (body.accepted, body.duplicates) == (1, 1)
    assert [(r.line, r.errors[0].field) for r in body.rejected] == [(3, "event_id"), (4, "user_id")]


def test_a_batch_over_the_line_limit_is_refused_whole() -> None:
    world = World(options(batch_lines_max=3))
    line = {"type": "rate", **RATING}
    assert post_lines(world, [line] * 3).json["accepted"] == 3
    assert post_lines(world, [line] * 4).status_code == 413
    assert len(world.outbox.events) == 3


def test_ten_thousand_lines_are_taken(world: World) -> None:
    lines = [{"type": "watch", "user_id": f"u{n % 90}", "item_id": f"m{n}"} for n in range(10_000)]
    assert post_lines(world, lines).json == {"accepted": 10_000, "duplicates": 0, "rejected": []}


def test_in_a_closed_catalogue_lines_about_unknown_films_are_rejected() -> None:
    world = World(options(catalogue_open=False))
    world.add_movies(Movie("m1", "Known"))
    watch = {"type": "watch", "user_id": "u"}
    answer = post_lines(world, [{**watch, "item_id": "m1"}, {**watch, "item_id": "m2"},
                                {"type": "search", "user_id": "u", "query": "x"}])
    assert answer.json["accepted"] == 2
    assert answer.json["rejected"][0]["line"] == 2
    assert answer.json["rejected"][0]["errors"][0]["field"] == "item_id"


def test_lines_for_another_user_than_the_keys_are_rejected_and_audited_once() -> None:
    world = World(options(client_keys_required=True))
    watch = {"type": "watch", "item_id": "m"}
    answer = post_lines(
        world, [{**watch, "user_id": user} for user in ("u1", "u2", "u3")],
        headers=world.key(Role.CLIENT, "u1"))
    assert answer.json["accepted"] == 1
    assert [r["line"] for r in answer.json["rejected"]] == [2, 3]
    assert len(world.audit_log.entries()) == 1


@pytest.mark.parametrize(
    "content_type", ["application/jsonl", "application/x-ndjson; charset=utf-8"])
def test_a_batch_may_come_as_jsonl(world: World, content_type: str) -> None:
    body = json.dumps({"type": "rate", **RATING}) + "\r\n"
    answer = world.client.post("/events", data=body, content_type=content_type)
    assert answer.json["accepted"] == 1
