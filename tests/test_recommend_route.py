"""GET /recommend: what each request keeps of its own when the list is kept, and what is on it."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from recommender.types import EventType, Movie, Role
from tests.recommend_site import (
    OTHER,
    USER,
    Site,
    films_of,
    seen_by,
    simulated,
    without_its_own,
)
from tests.web_world import options
from web.recommend import _remembered
from web.services import WebOptions

# --- what stays with each request when the list is kept


def test_the_limit_counts_each_request_for_a_kept_list() -> None:
    site = Site(WebOptions(rate_limit_per_minute=100))
    left_of_minute_s = 60 - time.time() % 60
    if left_of_minute_s < 10:
        time.sleep(left_of_minute_s)  # all requests have to fall into one window
    site.clock.now_ms = time.time_ns() // 1_000_000
    statuses = [site.ask().status_code for _ in range(102)]
    assert statuses == [200] * 100 + [429] * 2
    assert site.kept.loads == 1
    refused = site.ask()
    assert refused.mimetype == "application/problem+json" and int(refused.headers["Retry-After"])


def test_each_answer_is_counted_when_the_list_is_kept() -> None:
    site = Site()
    for _ in range(5):
        site.ask()
    site.ask("user_id=nobody-yet")
    assert site.kept.loads == 2
    route = {"route": "/recommend", "status": "200"}
    assert site.metric("reco_requests_total", **route) == 6
    assert site.metric("reco_request_seconds_count", route="/recommend") == 6
    assert site.metric("reco_recommendations_total", kind="personalized") == 5
    assert site.metric("reco_recommendations_total", kind="new_user") == 1


def test_each_answer_has_its_own_request_id_and_a_trace_equal_to_its_body() -> None:
    site = Site()
    answers = []
    for _ in range(5):
        answers.append(site.ask())
        site.clock.now_ms += 1_234
    assert site.kept.loads == 1
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert len(set(ids)) == 5
    for request_id, answer in zip(ids, answers, strict=True):
        provenance = answer.json["provenance"]
        assert provenance["request_id"] == request_id
        trace = site.client.get(f"/trace/{request_id}")
        assert answer.data in trace.data  # byte for byte
        assert trace.json["answer"] == answer.json
        assert trace.json["timestamp"] == provenance["generated_at"]
        assert trace.json["user_id"] == USER and trace.json["status"] == 200
        assert trace.json["model_version"] == provenance["model_version"]
        assert trace.json["history_version"] == provenance["history_version"]
    times = [answer.json["provenance"]["generated_at"] for answer in answers]
    assert times == sorted(set(times))


def test_each_answer_is_in_the_response_log_byte_for_byte() -> None:
    site = Site()
    answers = [site.ask() for _ in range(3)]
    site.response_log.flush()
    for answer in answers:
        logged = site.response_log.trace(answer.headers["X-Request-ID"])
        assert logged is not None and logged.body == answer.data
        assert logged.is_personalized and logged.variant == "A" and logged.latency_us >= 0


def test_an_answer_is_given_also_when_the_response_log_is_full() -> None:
    site = Site()
    for _ in range(1_000):
        site.ask()
    assert site.ask().status_code == 200
    assert site.response_log.dropped() == 1


def test_a_kept_list_is_refused_to_a_key_bound_to_another_user() -> None:
    site = Site(options(client_keys_required=True))
    assert site.ask().status_code == 401
    assert site.ask(**site.key(Role.CLIENT, USER)).status_code == 200
    refused = site.ask(**site.key(Role.CLIENT, OTHER))
    assert refused.status_code == 403
    assert [error["field"] for error in refused.json["errors"]] == ["user_id"]
    assert site.audit_log.entries()[0].outcome == "403 bound to another user"
    path = site.client.get(f"/recommend/{USER}", headers=site.key(Role.CLIENT, OTHER))
    assert path.status_code == 403
    assert site.ask(**site.key(Role.ADMIN)).status_code == 200


# --- when a kept list ends


def test_an_applied_event_drops_the_kept_list_of_its_user_alone() -> None:
    site = Site()
    before, _ = site.ask().json, site.ask(f"user_id={OTHER}")
    liked = before["recommendations"][0]["item_id"]
    site.happened(EventType.RATE, liked, 5.0)
    after = site.ask().json
    assert liked not in [film["item_id"] for film in after["recommendations"]]
    assert after["provenance"]["history_version"] > before["provenance"]["history_version"]
    assert any(liked in film["reason"]["item_ids"] for film in after["recommendations"])
    site.ask(f"user_id={OTHER}")
    assert site.kept.loads == 3


def test_another_model_drops_all_kept_lists() -> None:
    site = Site()
    first = site.ask().json
    site.serve("popularity", "20260102T000000Z")
    second = site.ask().json
    assert second["provenance"]["model"] == "popularity"
    assert second["provenance"]["model_version"] == "20260102T000000Z"
    assert first["provenance"]["model"] == "transition_knn"
    assert first["recommendations"] != second["recommendations"]


QUERIES = ("", "&k=3", "&k=100", "&genre=Drama", "&exclude=m1,m2,m3", "&include_seen=true")


@pytest.mark.parametrize("model", ["transition_knn", "knn", "popularity"])
def test_a_kept_answer_equals_a_computed_one_byte_for_byte(model: str) -> None:
    keeps, computes = Site(model=model), Site(keep_lists=False, model=model)
    for query in (f"user_id={user}{rest}" for user in (USER, "u7", "none") for rest in QUERIES):
        kept = [keeps.ask(query).data for _ in range(2)]
        computed = [computes.ask(query).data for _ in range(2)]
        assert len({without_its_own(body) for body in (*kept, *computed)}) == 1
        assert len({*kept, *computed}) == 4


# --- what is on the list


@cache
def shared_site() -> Site:
    return Site()


@given(st.sampled_from([f"u{n}" for n in range(1, 61)]), st.integers(1, 100),
       st.sampled_from([None, "Drama", "drama", "Western", "no such genre"]),
       st.sets(st.sampled_from([f"m{n}" for n in range(1, 121)]), max_size=20), st.booleans())
@hypothesis_settings(max_examples=60)
def test_a_list_holds_k_allowed_films_and_none_seen_or_excluded_or_twice(
    user: str, k: int, genre: str | None, exclude: set[str], include_seen: bool
) -> None:
    query = f"user_id={user}&k={k}&exclude={','.join(sorted(exclude))}"
    query += f"&include_seen={str(include_seen).lower()}" + (f"&genre={genre}" if genre else "")
    answer = shared_site().ask(query).json
    items = [film["item_id"] for film in answer["recommendations"]]
    hidden = exclude if include_seen else exclude | seen_by(user)
    every = {movie.item_id for movie in simulated().movies}
    allowed = (every if genre is None else films_of(genre.capitalize())) - hidden
    assert len(items) == len(set(items)) == min(k, len(allowed))
    assert set(items) <= allowed
    assert answer["k"] == k and answer["user_id"] == user
    assert [film["rank"] for film in answer["recommendations"]] == list(range(1, len(items) + 1))
    by_id = {movie.item_id: movie for movie in simulated().movies}
    for film in answer["recommendations"]:
        movie = by_id[film["item_id"]]
        assert (film["title"], film["year"]) == (movie.title, movie.year)
        assert film["genres"] == list(movie.genres)
        assert set(film["reason"]["item_ids"]) <= seen_by(user)


def test_seen_films_are_shown_when_asked_for() -> None:
    site = Site(model="popularity")
    most = site.items("user_id=nobody-yet&k=1")[0]
    who = next(f"u{n}" for n in range(1, 61) if most in seen_by(f"u{n}"))
    assert most not in site.items(f"user_id={who}&k=100")
    assert most in site.items(f"user_id={who}&k=100&include_seen=true")


def test_the_user_may_stand_in_the_path() -> None:
    site = Site()
    by_path = site.client.get(f"/recommend/{USER}?k=7").data
    assert without_its_own(by_path) == without_its_own(site.ask(f"user_id={USER}&k=7").data)


def test_a_user_nobody_knows_gets_popular_films_and_is_told_so() -> None:
    answer = Site().ask("user_id=nobody-yet&k=5").json
    assert answer["fallback"] == "new_user" and not answer["is_personalized"]
    assert [film["reason"] for film in answer["recommendations"]] == [
        {"kind": "popular", "item_ids": []}] * 5


@pytest.mark.parametrize(("item_id", "personal"), [("m1", True), ("not-in-the-model", False)])
def test_a_list_that_the_model_cannot_fill_says_so(item_id: str, personal: bool) -> None:
    site = Site()
    site.happened(EventType.WATCH, item_id, user_id="newcomer")
    answer = site.ask("user_id=newcomer&k=100").json
    assert answer["fallback"] == "short_list" and answer["is_personalized"] is personal
    assert len(answer["recommendations"]) == 100
    first = answer["recommendations"][0]["reason"]["kind"]
    assert first == ("because_you_watched" if personal else "popular")


def test_before_the_first_model_the_newest_unseen_films_are_shown() -> None:
    site = Site(model=None)
    answer = site.ask(f"user_id={USER}&k=100&genre=Drama").json
    assert answer["fallback"] == "no_model" and not answer["is_personalized"]
    assert answer["provenance"]["model"] is answer["provenance"]["model_version"] is None
    items = [film["item_id"] for film in answer["recommendations"]]
    assert set(items) == films_of("Drama") - seen_by(USER)
    years = [film["year"] for film in answer["recommendations"]]
    assert years == sorted(years, reverse=True)
    site.serve("transition_knn")
    assert site.ask().json["fallback"] is None


def test_a_film_added_after_the_model_is_shown_by_its_title() -> None:
    site = Site(model=None)
    site.add_movies(Movie("brand-new", "Brand New", 2_999, ("Drama",)))
    site.cards.refresh()
    film = site.ask().json["recommendations"][0]
    assert (film["item_id"], film["title"]) == ("brand-new", "Brand New")
    assert film["reason"] == {"kind": "new", "item_ids": []}


# --- what is refused


@pytest.mark.parametrize(("query", "field"), [
    ("k=5", "user_id"), ("user_id=", "user_id"), ("user_id=a b", "user_id"),
    ("user_id=u1%0A", "user_id"), ("user_id=" + "x" * 129, "user_id"),
    ("user_id=u1&k=0", "k"), ("user_id=u1&k=101", "k"), ("user_id=u1&k=ten", "k"),
    ("user_id=u1&k=", "k"), ("user_id=u1&k=-1", "k"), ("user_id=u1&k=1e1", "k"),
    ("user_id=u1&k=5&k=6", "k"), ("user_id=u1&user_id=u2", "user_id"),
    ("user_id=u1&exclude=a%20b", "exclude.0"), ("user_id=u1&exclude=a&exclude=b", "exclude"),
    ("user_id=u1&exclude=" + ",".join(f"m{n}" for n in range(201)), "exclude"),
    ("user_id=u1&include_seen=perhaps", "include_seen"),
    ("user_id=u1&genre=" + "x" * 1_000, "genre"),
])
def test_a_parameter_that_is_missing_wrong_or_given_twice_is_named(query: str, field: str) -> None:
    site = shared_site()
    for _ in range(2):  # the second time as well: parsing is remembered
        answer = site.ask(query)
        assert answer.status_code == 422, answer.data
        assert answer.mimetype == "application/problem+json"
        assert [error["field"] for error in answer.json["errors"]] == [field]
        assert answer.json["request_id"] == answer.headers["X-Request-ID"]


def test_a_user_in_the_path_is_held_to_the_same_rules_and_goes_before_the_query() -> None:
    site = shared_site()
    answer = site.client.get("/recommend/a%20b")
    assert answer.status_code == 422 and answer.json["errors"][0]["field"] == "user_id"
    assert site.client.get("/recommend/u1?user_id=u2").json["user_id"] == "u1"


def test_parameters_that_the_route_does_not_know_are_ignored_also_when_repeated() -> None:
    site = shared_site()
    assert site.items("user_id=u1&utm=a&utm=b&x=") == site.items("user_id=u1")
    twice = site.client.get("/recommend/u1?user_id=u2&user_id=u3")
    assert twice.status_code == 200 and twice.json["user_id"] == "u1"


def test_only_short_queries_are_remembered() -> None:
    site = shared_site()
    _remembered.cache_clear()
    for n in range(5):
        assert site.items(f"user_id=u1&x={n}" + "x" * 256) == site.items("user_id=u1")
    assert _remembered.cache_info().currsize == 1


def test_only_lists_that_are_likely_to_come_again_are_kept() -> None:
    site = Site()
    for query in ("&exclude=m1", "&k=21", "&k=100", "&k=5&exclude=m1,m2"):
        assert site.items(f"user_id={USER}{query}") == site.items(f"user_id={USER}{query}")
    user = site.kept.get(USER, 1, lambda history: pytest.fail("the history is kept"))
    assert not user.lists
    for query in ("", "&k=20", "&genre=Drama"):
        site.items(f"user_id={USER}{query}")
    assert len(user.lists) == 3


def test_without_the_store_a_list_that_is_not_kept_is_503() -> None:
    site = Site()
    site.ask()
    site.store.down = True
    assert site.ask().status_code == 200
    lost = site.ask(f"user_id={OTHER}")
    assert lost.status_code == 503 and int(lost.headers["Retry-After"]) > 0
