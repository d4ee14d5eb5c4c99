"""GET /movies, /movies/<id>, /similar/<id>, /users/<id>/history and /trace/<id>."""

from __future__ import annotations

import json

import pytest

from recommender.answer_text import AnswerText
from recommender.types import AnsweredRecord, ModelStatus, Movie, Role
from tests.web_world import NOW_MS, World, options
from web.answers import (
    HistoryAnswer,
    MovieAnswer,
    MoviesAnswer,
    SimilarAnswer,
    TraceAnswer,
)

STAR_WARS = Movie("260", "Star Wars", 1977, ("Action", "Sci-Fi"))
EMPIRE = Movie("1196", "Star Wars: The Empire Strikes Back", 1980, ("Action",))
HEAT = Movie("6", "Heat", 1995, ("Action", "Crime"))
REQUEST_ID = "019a0000-0000-7000-8000-000000000001"


@pytest.fixture
def world() -> World:
    made = World()
    made.add_movies(STAR_WARS, EMPIRE, HEAT)
    return made


def rate(world: World, user: str, item: str, rating: float) -> None:
    body = {"user_id": user, "item_id": item, "rating": rating}
    assert world.client.post("/rate", json=body).status_code == 200


def test_a_film_is_shown_with_count_mean_and_histogram_of_its_ratings(world: World) -> None:
    for user, rating in enumerate((5, 5, 3.5, 0.5)):
        rate(world, f"u{user}", "260", rating)
    world.client.post("/watch", json={"user_id": "u9", "item_id": "260"})
    world.apply_accepted()
    film = MovieAnswer.model_validate(world.client.get("/movies/260").json)
    assert (film.title, film.year, film.genres) == ("Star Wars", 1977, ["Action", "Sci-Fi"])
    assert film.ratings.count == 4 and film.ratings.mean == (5 + 5 + 3.5 + 0.5) / 4
    assert {r: n for r, n in film.ratings.histogram.items() if n} == {"0.5": 1, "3.5": 1, "5.0": 2}
    assert len(film.ratings.histogram) == 10 and film.watches == 1


def test_a_film_that_nobody_rated_has_no_mean(world: World) -> None:
    film = MovieAnswer.model_validate(world.client.get("/movies/6").json)
    assert film.ratings.count == 0 and film.ratings.mean is None


def test_films_are_found_by_words_of_the_title_most_interacted_first(world: World) -> None:
    rate(world, "u1", "1196", 4)
    world.apply_accepted()
    found = MoviesAnswer.model_validate(world.client.get("/movies?query=wars+STAR").json)
    assert [film.item_id for film in found.movies] == ["1196", "260"]


def test_films_are_found_by_genre_and_no_more_than_the_limit(world: World) -> None:
    crime = world.client.get("/movies?genre=crime").json["movies"]
    assert [film["item_id"] for film in crime] == ["6"]
    assert len(world.client.get("/movies?limit=2").json["movies"]) == 2
    assert len(world.client.get("/movies").json["movies"]) == 3


def test_an_unknown_film_is_not_found(world: World) -> None:
    for path in ("/movies/nope", "/similar/nope"):
        answer = world.client.get(path)
        assert answer.status_code == 404 and answer.mimetype == "application/problem+json"
        assert "nope" in answer.json["detail"]


def test_similar_films_come_from_the_served_model_nearest_first(world: World) -> None:
    near = {"260": [("1196", "also_liked"), ("6", "content"), ("gone", "content")]}
    record = world.add_model("20261121T003000Z", ModelStatus.SERVING, bundle=near)
    answer = SimilarAnswer.model_validate(world.client.get("/similar/260?k=3").json)
    assert [(s.rank, s.item_id, s.kind) for s in answer.similar] == [
        (1, "1196", "also_liked"), (2, "6", "content"), (3, "gone", "content")]
    assert answer.similar[0].title == EMPIRE.title and answer.similar[2].title == "gone"
    assert answer.model_version == record.version_id and answer.fallback is None
    assert len(world.client.get("/similar/260?k=1").json["similar"]) == 1


def test_without_a_model_similar_says_so(world: World) -> None:
    answer = SimilarAnswer.model_validate(world.client.get("/similar/260").json)
    assert answer.similar == [] and answer.fallback == "no_model"


def test_a_history_is_shown_newest_first_with_titles(world: World) -> None:
    for item, at in (("260", 1_000), ("6", 3_000), ("new-film", 2_000)):
        world.client.post("/rate", json={
            "user_id": "u1", "item_id": item, "rating": 4, "timestamp": at})
    rate(world, "u2", "1196", 1)
    world.apply_accepted()
    answer = HistoryAnswer.model_validate(world.client.get("/users/u1/history").json)
    assert [line.title for line in answer.history] == ["Heat", "new-film", "Star Wars"]
    assert answer.history[0].timestamp == "1970-01-01T00:50:00.000Z"
    assert answer.total == 3 and answer.version == 3


def test_a_history_is_cut_to_the_limit_and_still_tells_its_length(world: World) -> None:
    for item in ("260", "6", "1196"):
        rate(world, "u1", item, 4)
    world.apply_accepted()
    answer = world.client.get("/users/u1/history?limit=2").json
    assert len(answer["history"]) == 2 and answer["total"] == 3


def test_a_user_never_seen_has_an_empty_history(world: World) -> None:
    answer = world.client.get("/users/nobody/history")
    assert answer.status_code == 200
    assert answer.json["history"] == [] and answer.json["version"] == 0


def answered(user_id: str = "u1") -> AnsweredRecord:
    body = {"user_id": user_id, "k": 1, "recommendations": [{"rank": 1, "item_id": "260"}]}
    before = json.dumps(body)[:-1] + ',"provenance":{"request_id":"'
    text = AnswerText(before.encode(), b'","generated_at":"')
    return AnsweredRecord(REQUEST_ID, NOW_MS, user_id, "A", "20261121T003000Z", 17, True, 200,
                          1234, text)


def test_a_trace_tells_what_was_answered_before_and_after_it_is_on_disk(world: World) -> None:
    world.response_log.record(answered())
    waiting = world.client.get(f"/trace/{REQUEST_ID}")
    world.response_log.flush()
    kept = world.client.get(f"/trace/{REQUEST_ID}")
    assert waiting.json == kept.json
    trace = TraceAnswer.model_validate(kept.json)
    assert trace.answer["recommendations"][0]["item_id"] == "260"
    assert (trace.model_version, trace.history_version) == ("20261121T003000Z", 17)
    assert trace.latency_ms == 1.234


def test_a_trace_that_is_not_known_is_not_found(world: World) -> None:
    assert world.client.get(f"/trace/{REQUEST_ID}").status_code == 404


def test_a_bound_key_sees_neither_the_history_nor_the_traces_of_others() -> None:
    world = World(options(client_keys_required=True))
    world.response_log.record(answered("u1"))
    own, other = world.key(Role.CLIENT, "u1"), world.key(Role.CLIENT, "u2")
    for path in ("/users/u1/history", f"/trace/{REQUEST_ID}"):
        assert world.client.get(path, headers=own).status_code == 200
        assert world.client.get(path, headers=other).status_code == 403
    assert [entry.outcome[:3] for entry in world.audit_log.entries()] == ["403", "403"]


def test_a_store_that_does_not_answer_gives_503(world: World) -> None:
    world.store.down = True
    answer = world.client.get("/users/u1/history")
    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
    assert "down" not in answer.json["detail"]
