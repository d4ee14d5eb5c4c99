"""The real program on PostgreSQL: alone, and as two replicas of one store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.program import RUN, SERVE, Program
from commands.keys import create_key
from commands.simulate import store_world
from commands.train import run_training
from composition import open_store
from recommender.types import Role
from settings import Settings
from tests.databases_of_tests import NEEDS_POSTGRESQL, empty_database
from tests.redis_server import RedisServer
from tests.running_server import AT_MS, SMALL, soon

pytestmark = [NEEDS_POSTGRESQL, pytest.mark.needs_tool("redis-server")]


class Site:
    """A prepared store on PostgreSQL, and programs on it with data folders of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = empty_database(folder, "postgresql")
        self.shared = {
            "store_url": self.url, "responses_url": self.url,
            "registry_folder": str(folder / "registry"),
            "outputs_folder": str(folder / "outputs"), "audit_pictures": "false",
            "signing_key_file": str(folder / "keys" / "signing.pem"),
            "rate_limit_per_minute": "1000000",
        }  # fmt: skip
        settings = Settings(data_folder=folder / "prepared", **self.shared)
        with closing(open_store(settings)) as side:
            store_world(SMALL, side.store, side.catalogue, side.imports, AT_MS)
            _, secret = create_key(side.api_keys, side.audit, Role.ADMIN, "tests", AT_MS)
        self.admin = {"Authorization": f"Bearer {secret}"}
        assert run_training(settings, lambda line: None, "tests", "tests") == 0

    def program(self, name: str, command: tuple[str, ...] = SERVE, **changes: str) -> Program:
        values = {**self.shared, "data_folder": str(self.folder / name), **changes}
        return Program(values, self.folder / f"{name}.output", command)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


def listed(program: Program, user: str) -> dict[str, Any]:
    answer = program.ask("GET", f"/recommend?user_id={user}")
    assert answer.status == 200
    found: dict[str, Any] = answer.json()
    return found


def items(answer: dict[str, Any]) -> list[str]:
    return [one["item_id"] for one in answer["recommendations"]]


def rate(program: Program, user: str, item: str, **more: Any) -> None:
    body = {"user_id": user, "item_id": item, "rating": 4.5, **more}
    answer = program.ask("POST", "/rate", body)
    assert (answer.status, answer.json()["duplicate"]) == (200, False)


def rated(program: Program, user: str) -> set[str]:
    answer = program.ask("GET", f"/users/{user}/history")
    return {entry["item_id"] for entry in answer.json()["history"]}


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
        for taking, answering in ((one, other), (other, one)):
            before = listed(answering, user)
            assert items(listed(answering, user)) == items(before)
            film = items(before)[0]
            rate(taking, user, film)
            soon(lambda t=taking, u=user, f=film: f in rated(t, u))  # type: ignore[misc]
            after = listed(answering, user)
            assert film not in items(after)
            trace = after["provenance"]["request_id"]
            soon(lambda t=taking, r=trace: t.ask("GET", f"/trace/{r}").status == 200)  # type: ignore[misc]


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
    settings = Settings(data_folder=site.folder / "prepared", **site.shared)
    with closing(open_store(settings)) as side:
        ids = [e for chunk in side.store.event_chunks(0, 10_000) for e in chunk["event_id"]]
    assert sum(name.startswith("event-") for name in ids) == len(films)
    assert len(ids) == len(set(ids))


def test_one_of_two_trains_and_both_serve_the_new_model(
    site: Site, replicas: tuple[Program, Program]
) -> None:
    known = {m["version_id"] for m in models(replicas[0], site)}
    threads = [
        threading.Thread(target=p.ask, args=("POST", "/models/retrain", None, site.admin))
        for p in replicas
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def outcomes() -> list[str] | None:
        told = [p.ask("GET", "/models", headers=site.admin).json()["retrain"] for p in replicas]
        done = [one["outcome"] for one in told if not one["running"] and one["outcome"]]
        return sorted(done) if len(done) == 2 else None

    assert soon(outcomes, within_s=60) == ["busy", "published"]
    new = [m for m in models(replicas[0], site) if m["version_id"] not in known]
    assert len(new) == 3
    (serving,) = (m["version_id"] for m in new if m["status"] == "serving")
    for program in replicas:
        soon(lambda p=program: p.ask("GET", "/health").json()["model"]["version"] == serving)  # type: ignore[misc]


def models(program: Program, site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = program.ask("GET", "/models", headers=site.admin).json()["models"]
    return found


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
