"""POST /undo: what a person takes back is gone from history, counts and lists, until it is back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recommender.types import EventType, Movie, Role
from tests.recommend_site import OTHER, USER, Site, seen_by
from tests.web_world import NOW_MS, World, options
from web.answers import Accepted, BatchAnswer, HistoryAnswer, MovieAnswer

UNDO = {"user_id": "u1", "item_id": "m1"}
RATING = {**UNDO, "rating": 4.5}


@pytest.fixture
def world() -> World:
    made = World()
    made.add_movies(Movie("m1", "Heat", 1995), Movie("m2", "Brazil", 1985))
    return made


def undo(world: World, body: dict[str, Any], **headers: str) -> Any:
    return world.client.post("/undo", json=body, headers=headers)


def history(world: World, user: str = "u1") -> HistoryAnswer:
    world.apply_accepted()
    return HistoryAnswer.model_validate(world.client.get(f"/users/{user}/history").json)


# --- at the door, as a watch


def test_an_undo_is_in_the_outbox_when_the_answer_comes(world: World) -> None:
    answer = undo(world, {"user_id": 7, "movie_id": "m1", "ts": "2025-11-24T10:00:00"})
    body = Accepted.model_validate(answer.json)
    event = world.outbox.events[body.event_id]
    assert answer.status_code == 200 and not body.duplicate
    assert (event.type, event.user_id, event.item_id) == (EventType.UNDO, "7", "m1")
    assert (event.rating, event.minute, event.query) == (None, None, None)
    assert event.timestamp_ms == 1_763_978_400_000 and event.received_at_ms == NOW_MS
    assert world.telemetry.counted["events_accepted",] == 1


def test_a_repeated_undo_is_a_duplicate_and_one_with_other_content_a_conflict(
    world: World,
) -> None:
    assert undo(world, UNDO, **{"Idempotency-Key": "e"}).json == {
        "status": "accepted", "event_id": "e", "duplicate": False}
    assert undo(world, {**UNDO, "event_id": "e"}).json["duplicate"]
    for other in ({**UNDO, "item_id": "m2"}, {**UNDO, "user_id": "u2"}):
        answer = undo(world, {**other, "event_id": "e"})
        assert answer.status_code == 409 and answer.json["errors"][0]["field"] == "event_id"
    assert world.client.post("/watch", json={**UNDO, "event_id": "e"}).status_code == 409
    assert len(world.outbox.events) == 1


def test_a_key_bound_to_a_user_takes_back_for_that_user_only() -> None:
    world = World(options(client_keys_required=True))
    bound = world.key(Role.CLIENT, "u1")
    assert undo(world, UNDO).status_code == 401
    assert undo(world, UNDO, **bound).status_code == 200
    assert undo(world, {**UNDO, "user_id": "u2"}, **bound).status_code == 403
    assert undo(world, {**UNDO, "user_id": "u2"}, **world.key(Role.ADMIN)).status_code == 200
    assert world.audit_log.entries()[0].action == "POST /undo"


def test_in_a_closed_catalogue_an_unknown_film_is_404() -> None:
    world = World(options(catalogue_open=False))
    world.add_movies(Movie("m1", "Known"))
    assert undo(world, UNDO).status_code == 200
    assert undo(world, {**UNDO, "item_id": "other"}).status_code == 404
    lines = [{"type": "undo", **UNDO}, {"type": "undo", **UNDO, "item_id": "other"}]
    answer = post_lines(world, lines)
    assert answer.accepted == 1
    assert [(r.line, r.errors[0].field) for r in answer.rejected] == [(2, "item_id")]


@pytest.mark.parametrize(("changes", "field"), [
    ({"item_id": None}, "item_id"), ({"item_id": "a b"}, "item_id"), ({"user_id": ""}, "user_id"),
    ({"timestamp": NOW_MS + 300_001}, "timestamp"), ({"timestamp": -1}, "timestamp"),
    ({"type": "watch"}, "type"), ({"movie_id": "m2"}, "item_id"), ({"event_id": "a/b"}, "event_id"),
])
def test_a_bad_field_is_named(world: World, changes: dict[str, Any], field: str) -> None:
    answer = undo(world, {**UNDO, **changes})
    assert answer.status_code == 422 and not world.outbox.events
    assert answer.json["errors"][0]["field"] == field


def test_a_store_that_cannot_take_the_undo_answers_503(world: World) -> None:
    world.outbox.refuses = True
    answer = undo(world, UNDO)
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "7"


def test_the_page_of_the_calls_tells_of_undo(world: World) -> None:
    document = world.client.get("/openapi.json").json
    described, like = (document["paths"][path]["post"] for path in ("/undo", "/watch"))
    assert described["responses"] == like["responses"]
    assert described["parameters"] == like["parameters"]
    schema = document["components"]["schemas"]["UndoBody"]
    assert set(schema["properties"]) == {"user_id", "item_id", "timestamp", "event_id"}
    lines = document["paths"]["/events"]["post"]["requestBody"]["content"]["application/x-ndjson"]
    assert {"$ref": "#/components/schemas/UndoBody"} in lines["schema"]["anyOf"]


def post_lines(world: World, lines: list[dict[str, Any]]) -> BatchAnswer:
    body = "\n".join(map(json.dumps, lines))
    answer = world.client.post("/events", data=body, content_type="application/x-ndjson")
    return BatchAnswer.model_validate(answer.json)


# --- what is seen of it


def test_a_film_taken_back_is_in_no_history_and_in_no_count(world: World) -> None:
    for user, rating in (("u1", 1), ("u2", 5)):
        world.client.post("/rate", json={"user_id": user, "item_id": "m1", "rating": rating})
    world.client.post("/watch", json=UNDO)
    post_lines(world, [{"type": "view", **UNDO, "item_id": item} for item in ("m1", "m2")])
    before = history(world)
    assert before.total == 4
    undo(world, UNDO)
    after = history(world)
    assert [(line.item_id, line.type) for line in after.history] == [("m2", "view")]
    assert after.total == 1 and after.version > before.version
    film = MovieAnswer.model_validate(world.client.get("/movies/m1").json)
    assert (film.ratings.count, film.ratings.mean, film.watches) == (1, 5, 0)
    assert {r for r, n in film.ratings.histogram.items() if n} == {"5.0"}


def test_rated_and_taken_back_within_a_millisecond_is_gone_and_rated_again_is_back(
    world: World,
) -> None:
    films = [f"f{n}" for n in range(100)]
    for item_id in films:
        world.client.post("/rate", json={**RATING, "item_id": item_id})
        undo(world, {**UNDO, "item_id": item_id})
    assert history(world).total == 0
    for item_id in films:
        world.client.post("/rate", json={**RATING, "item_id": item_id, "rating": 2})
    assert {line.rating for line in history(world).history} == {2}
    assert history(world).total == 100


def test_lines_of_one_batch_count_in_their_order(world: World) -> None:
    rate, back = {"type": "rate", **RATING}, {"type": "undo", **UNDO}
    assert post_lines(world, [rate, back] * 50).accepted == 100
    assert history(world).total == 0
    assert post_lines(world, [back, rate] * 50).accepted == 100
    assert history(world).total == 1


def test_an_undo_takes_back_what_happened_up_to_its_timestamp(world: World) -> None:
    for event_id, at in (("a", 1_000), ("c", 3_000)):
        world.client.post("/rate", json={**RATING, "timestamp": at, "event_id": event_id})
    world.client.post("/watch", json={**UNDO, "timestamp": 1_500})
    undo(world, {**UNDO, "timestamp": 2_000})
    assert [line.event_id for line in history(world).history] == ["c"]
    undo(world, {**UNDO, "timestamp": 4_000})
    assert history(world).history == []


def test_an_undo_of_a_film_never_touched_changes_nothing_to_be_seen(world: World) -> None:
    world.client.post("/rate", json=RATING)
    before = history(world)
    assert undo(world, {**UNDO, "item_id": "m2"}).status_code == 200
    assert undo(world, {**UNDO, "item_id": "never-seen"}).status_code == 200
    assert history(world) == before
    assert world.client.get("/movies/never-seen").status_code == 404


def test_the_quota_of_ratings_is_not_given_back() -> None:
    world = World(ratings_per_hour=2)
    for item_id in ("m1", "m2"):
        assert world.client.post("/rate", json={**RATING, "item_id": item_id}).status_code == 200
    assert undo(world, UNDO).status_code == 200
    assert world.client.post("/rate", json=RATING).status_code == 429


# --- what is recommended


def test_a_film_taken_back_may_be_recommended_again_and_explains_nothing() -> None:
    site = Site()
    first = site.ask().json
    liked = first["recommendations"][0]["item_id"]
    site.happened(EventType.RATE, liked, 5.0)
    site.clock.now_ms += 1
    rated = site.ask().json
    assert liked not in site.items("user_id=u1&k=100")
    assert any(liked in film["reason"]["item_ids"] for film in rated["recommendations"])
    site.happened(EventType.UNDO, liked)
    again = site.ask()
    assert again.json["provenance"]["history_version"] > rated["provenance"]["history_version"]
    assert again.json["recommendations"] == first["recommendations"]


def test_an_undo_drops_the_kept_lists_of_its_user_alone() -> None:
    site = Site()
    site.ask(), site.ask(f"user_id={OTHER}")
    site.clock.now_ms += 1
    site.happened(EventType.UNDO, min(seen_by(USER)))
    site.ask(), site.ask(f"user_id={OTHER}")
    assert site.kept.loads == 3


def test_who_took_everything_back_is_a_new_user_again() -> None:
    site = Site()
    stranger = site.ask("user_id=newcomer").json
    for item_id in ("m1", "m2"):
        site.happened(EventType.WATCH, item_id, user_id="newcomer")
        site.happened(EventType.VIEW, item_id, user_id="newcomer")
    assert site.ask("user_id=newcomer").json["fallback"] is None
    site.clock.now_ms += 1
    for item_id in ("m1", "m2"):
        site.happened(EventType.UNDO, item_id, user_id="newcomer")
    answer = site.ask("user_id=newcomer").json
    assert answer["fallback"] == "new_user" and not answer["is_personalized"]
    assert answer["recommendations"] == stranger["recommendations"]
    assert site.metric("reco_recommendations_total", kind="new_user") == 2


def test_before_the_first_model_a_film_taken_back_is_shown_again() -> None:
    site = Site(model=None)
    newest = site.items("user_id=newcomer")
    site.happened(EventType.WATCH, newest[0], user_id="newcomer")
    assert newest[0] not in site.items("user_id=newcomer")
    site.clock.now_ms += 1
    site.happened(EventType.UNDO, newest[0], user_id="newcomer")
    assert site.items("user_id=newcomer") == newest
