"""The real program on PostgreSQL: alone, and as two replicas of one store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from benchmarks.program import RUN, Program
from settings_groups.training import TrainingSettings
from tests.databases_of_tests import NEEDS_POSTGRESQL, empty_database
from tests.redis_server import RedisServer
from tests.replica_site import (
    Site,
    items,
    listed,
    models,
    rate,
    rated,
    retrained_by,
    shows_in_the_other_s_next_answer,
)
from tests.running_server import soon

pytestmark = [NEEDS_POSTGRESQL, pytest.mark.needs_tool("redis-server")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


def test_the_program_runs_with_all_three_databases_on_postgresql(site: Site) -> None:
    everything = site.program("alone", log_url=site.url)
    with everything:
        first = listed(everything, "u1")
        assert first["is_personalized"]
        rate(everything, "u1", items(first)[0], event_id="mine")
        soon(lambda: items(first)[0] in rated(everything, "u1"))
        second = listed(everything, "u1")
        assert items(first)[0] not in items(second)
        ready = everything.ask("GET", "/ready").json()
        assert ready["status"] == "ready", ready
    traced = first["provenance"]["request_id"]
    with site.program("alone", log_url=site.url) as again:
        assert again.ask("GET", f"/trace/{traced}").status == 200
        assert items(first)[0] not in items(listed(again, "u1"))
        body = {"user_id": "u1", "item_id": items(first)[0], "rating": 4.5, "event_id": "mine"}
        assert again.ask("POST", "/rate", body).json()["duplicate"] is True


def test_text_that_postgresql_cannot_hold_is_no_failure_of_the_server(site: Site) -> None:
    with site.program("alone") as program:
        for method, path in (
            ("GET", "/recommend?user_id=%00"), ("GET", "/recommend/%00"), ("GET", "/movies/%00"),
            ("GET", "/movies?query=%00"), ("GET", "/similar/%00"), ("GET", "/trace/%00"),
            ("GET", "/users/%00/history"), ("GET", "/models/%00"), ("POST", "/switch?model=%00"),
            ("POST", "/models/%00/rollback"), ("GET", "/movies?query=%ED%A0%80"),
            ("POST", "/switch?model=%ED%A0%80"),
        ):  # fmt: skip
            answer = program.ask(method, path, headers=site.admin)
            assert answer.status < 500, (method, path, answer.body)
        body = {"user_id": "u1", "item_id": "m", "rating": 4, "event_id": "\0"}
        assert program.ask("POST", "/rate", body).status == 422
        search = {"type": "search", "user_id": "u1", "query": "a\0b"}
        assert program.ask("POST", "/events", search).status < 500


@pytest.fixture(scope="module")
def replicas(site: Site) -> Iterator[tuple[Program, Program]]:
    redis = RedisServer()
    redis.start()
    values = {"replicas": "2", "limits_storage_url": redis.url}
    with ExitStack() as stack:
        stack.callback(redis.remove)
        one, other = (stack.enter_context(site.program(name, **values)) for name in "ab")
        yield one, other


def test_a_rating_applied_by_one_shows_in_the_other_s_next_answer(
    replicas: tuple[Program, Program]
) -> None:
    one, other = replicas
    for user in ("u1", "u2", "u3"):
        shows_in_the_other_s_next_answer(one, other, user)
        shows_in_the_other_s_next_answer(other, one, user)


def test_what_a_killed_replica_accepted_is_applied_once_when_it_is_back(
    site: Site, replicas: tuple[Program, Program]
) -> None:
    one, other = replicas
    films = [f"film-{n}" for n in range(60)]
    for film in films[:30]:
        rate(one, "u7", film, event_id=f"event-{film}")
    one.kill()
    for film in films[30:]:
        rate(other, "u7", film, event_id=f"event-{film}")
    soon(lambda: set(films[30:]) <= rated(other, "u7"))
    one.start()
    soon(lambda: set(films) <= rated(other, "u7"))
    ids = site.event_ids()
    assert sum(name.startswith("event-") for name in ids) == len(films)
    assert len(ids) == len(set(ids))


def test_one_of_two_trains_and_both_serve_the_new_model(
    site: Site, replicas: tuple[Program, Program]
) -> None:
    known = {m["version_id"] for m in models(replicas[0], site)}
    assert retrained_by(replicas, site) == ["busy", "published"]
    new = [m for m in models(replicas[0], site) if m["version_id"] not in known]
    assert len(new) == len(TrainingSettings().models)
    (serving,) = (m["version_id"] for m in new if m["status"] == "serving")
    for program in replicas:
        soon(lambda p=program: p.ask("GET", "/health").json()["model"]["version"] == serving)  # type: ignore[misc]


def test_replicas_share_one_limit(site: Site) -> None:
    redis = RedisServer()
    redis.start()
    values = {
        "replicas": "2", "limits_storage_url": redis.url, "rate_limit_per_minute": "20",
    }  # fmt: skip
    with ExitStack() as stack:
        stack.callback(redis.remove)
        programs = [stack.enter_context(site.program(name, **values)) for name in "ab"]
        answers = [p.ask("GET", "/movies?limit=1").status for _ in range(30) for p in programs]
        # The minute may turn in between, once.
        assert 20 <= answers.count(200) <= 40 and set(answers) == {200, 429}
        redis.kill()
        assert {p.ask("GET", "/movies?limit=1").status for p in programs} == {200}
        for program in programs:
            assert program.metric("reco_rate_limiter_failures_total") >= 1


def test_a_second_program_on_one_embedded_log_does_not_start(site: Site) -> None:
    url = empty_database(site.folder, "postgresql")
    with site.program("owner", log_url=url) as owner:
        second = site.program("second", RUN, log_url=url)
        second.launch()
        try:
            assert second.process.wait(60) == 1
        finally:
            second.kill()
        errors = [line for line in second.said().splitlines() if line.startswith("error: ")]
        assert errors == ["error: log_url: another process owns the embedded log of this database; "
                          "each process needs a log of its own"]
        rate(owner, "u1", "still-taken")
