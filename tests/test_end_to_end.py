"""The real program in processes of its own: first start, recommending, learning, second start."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import pytest

from benchmarks.program import RUN, Program
from tests.running_server import SMALL, Home, home_with_world, prepared_home, soon

KEY = re.compile(r"admin key \(shown this once\): (\S+)")
FILM = {"user_id": "user_123", "item_id": "movie_456", "rating": 5,
        "timestamp": "2025-11-24T10:00:00"}


@dataclass(frozen=True)
class TwoLives:
    """What was seen of a program that was started, ended and started again."""

    home: Home
    first_output: str
    second_output: str
    exit_code: int
    ended_in_s: float
    models: tuple[dict[str, Any], dict[str, Any]]
    counts: tuple[dict[str, int], dict[str, int]]
    answered: dict[str, bytes]
    traces: dict[str, bytes]
    history: tuple[dict[str, Any], dict[str, Any]]


def counts(home: Home) -> dict[str, int]:
    with closing(home.side()) as side:
        return side.store.counts()


def history(program: Program, user: str) -> dict[str, Any]:
    found: dict[str, Any] = program.ask("GET", f"/users/{user}/history").json()
    return found


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> TwoLives:
    """As `make run` twice; the first life takes a rating and gives lists up to its last moment."""
    home = home_with_world(tmp_path_factory.mktemp("two-lives"))
    with home.program(RUN).start(90.0) as program:
        soon(lambda: "curl " in program.said())
        first_output = program.said()
        admin = {"X-API-Key": KEY.findall(first_output)[0]}
        assert program.ask("POST", "/rate", FILM).status == 200
        soon(lambda: history(program, "user_123")["version"])
        models = program.ask("GET", "/models", headers=admin).json()
        was = history(program, "user_123")
        given = [program.ask("GET", f"/recommend?user_id=u{n % 100 + 1}") for n in range(150)]
        began = time.monotonic()
        exit_code = program.terminate()
        ended_in_s = time.monotonic() - began
    counted = counts(home)
    with home.program(RUN).start(90.0) as program:
        soon(lambda: program.said().count("curl ") > first_output.count("curl "))
        ids = [answer.headers["x-request-id"] for answer in given]
        traces = {each: program.ask("GET", f"/trace/{each}").body for each in ids}
        return TwoLives(
            home, first_output, program.said()[len(first_output):], exit_code, ended_in_s,
            (models, program.ask("GET", "/models", headers=admin).json()),
            (counted, counts(home)),
            dict(zip(ids, (answer.body for answer in given), strict=True)), traces,
            (was, history(program, "user_123")))


def test_the_first_start_shows_an_admin_key_trains_and_tells_what_to_try(lives: TwoLives) -> None:
    assert len(KEY.findall(lives.first_output)) == 1
    assert "temporal split" in lives.first_output
    assert lives.first_output.count("curl ") == 3
    serving = lives.models[0]["serving"]
    named = {model["version"]: model["name"] for model in lives.models[0]["models"]}
    assert sorted(named.values()) == [
        "knn", "popularity", "sequence_blend", "transition_knn"]
    first = next(m for m in lives.models[0]["models"] if m["version_id"] == serving)
    assert first["name"] == "transition_knn"


def test_a_second_start_imports_trains_and_shows_nothing_again(lives: TwoLives) -> None:
    assert not KEY.findall(lives.second_output)
    for word in ("demo world", "split", "fitting", "shown this once"):
        assert word not in lives.second_output
    assert lives.models[0] == lives.models[1]
    assert lives.counts[0] == lives.counts[1]
    assert lives.counts[0]["events"] == SMALL.n_events + 1
    assert lives.history[0] == lives.history[1]
    assert "movie_456" in str(lives.history[1])


def test_sigterm_ends_the_program_cleanly_and_soon(lives: TwoLives) -> None:
    assert lives.exit_code == 0
    assert lives.ended_in_s < 10
    assert len(lives.home.log("stopped")) == 2
    assert not lives.home.log("stop_failed")


def test_after_a_stop_every_answer_given_is_found_by_its_request_id(lives: TwoLives) -> None:
    assert len(lives.answered) == 150
    assert all(body in lives.traces[each] for each, body in lives.answered.items())


# --- one program, up to its end


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return prepared_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def program(home: Home) -> Iterator[Program]:
    with home.program().start() as program:
        yield program


def recommend(program: Program, user: str, k: int = 10) -> dict[str, Any]:
    answer = program.ask("GET", f"/recommend?user_id={user}&k={k}")
    assert answer.status == 200
    found: dict[str, Any] = answer.json()
    return found


def reasons(answer: dict[str, Any]) -> set[str]:
    return {item for film in answer["recommendations"] for item in film["reason"]["item_ids"]}


def test_people_of_the_world_get_personal_lists_with_reasons_and_provenance(
    home: Home, program: Program
) -> None:
    with closing(home.side()) as side:
        seen = {entry.item_id for entry in side.store.history("u1").entries}
        serving = side.allow_list.serving()
    answer = recommend(program, "u1", 20)
    assert answer["is_personalized"] and len(answer["recommendations"]) == 20
    assert not seen & {film["item_id"] for film in answer["recommendations"]}
    assert reasons(answer) <= seen and reasons(answer)
    assert serving is not None
    assert answer["provenance"]["model"] == serving.name
    assert answer["provenance"]["model_version"] == serving.version_id
    assert answer["provenance"]["data_snapshot_id"].startswith("sha256:")


@pytest.mark.parametrize(("path", "more"), [("/rate", {"rating": 5}), ("/watch", {})])
def test_what_is_posted_shows_in_the_next_lists_within_two_seconds(
    program: Program, path: str, more: dict[str, Any]
) -> None:
    user, film = f"new{path.replace('/', '-')}", "m7"
    before = recommend(program, user)
    assert before["fallback"] == "new_user"
    answer = program.ask("POST", path, {"user_id": user, "item_id": film, **more})
    assert answer.status == 200 and not answer.json()["duplicate"]
    after = soon(lambda: film in reasons(found := recommend(program, user)) and found, 2.0)
    assert after["is_personalized"]
    assert film not in {shown["item_id"] for shown in after["recommendations"]}
    assert after["provenance"]["history_version"] > before["provenance"]["history_version"]


def test_what_is_taken_back_is_gone_from_lists_history_and_counts_within_two_seconds(
    program: Program,
) -> None:
    user, film = "of-two-minds", "m7"
    before, rated = recommend(program, user), program.ask("GET", f"/movies/{film}").json()
    body = {"user_id": user, "item_id": film}
    program.ask("POST", "/rate", body | {"rating": 5})
    soon(lambda: film in reasons(recommend(program, user)), 2.0)
    assert program.ask("POST", "/undo", body).status == 200
    after = soon(lambda: (now := recommend(program, user))["fallback"] == "new_user" and now, 2.0)
    assert after["recommendations"] == before["recommendations"]
    assert history(program, user)["history"] == []
    assert program.ask("GET", f"/movies/{film}").json() == rated
    program.ask("POST", "/watch", body)
    soon(lambda: film in reasons(recommend(program, user)), 2.0)


def test_the_calls_that_the_start_prints_work(program: Program) -> None:
    first = program.ask("POST", "/rate", FILM | {"event_id": "once"})
    again = program.ask("POST", "/rate", FILM | {"event_id": "once"})
    assert (first.status, first.json()["duplicate"]) == (200, False)
    assert (again.status, again.json()["duplicate"]) == (200, True)
    soon(lambda: program.metric("reco_events_accepted_total")
         == program.metric("reco_events_applied_total"))
    assert recommend(program, "user_123")["user_id"] == "user_123"
    assert program.metric("reco_requests_total", route="/rate", status="200") >= 2


def test_a_retrain_publishes_a_new_version_that_is_served_without_a_restart(
    home: Home, program: Program
) -> None:
    before = recommend(program, "u3")["provenance"]
    worker = program.workers()
    program.ask("POST", "/rate", {"user_id": "u3", "item_id": "m9", "rating": 4})
    assert program.ask("POST", "/models/retrain").status == 401
    asked = program.ask("POST", "/models/retrain", headers=home.admin)
    assert asked.status == 202 and asked.json()["retrain"]["running"]
    after = soon(lambda: (new := recommend(program, "u3")["provenance"])["model_version"]
                 != before["model_version"] and new, 30.0, 0.1)
    assert after["data_snapshot_id"] != before["data_snapshot_id"]
    retrain = soon(lambda: not (r := program.ask("GET", "/models", headers=home.admin).json()[
        "retrain"])["running"] and r)
    assert retrain["outcome"] == "published"
    manifest = program.ask(
        "GET", f"/models/{after['model_version']}", headers=home.admin).json()["manifest"]
    assert manifest["parent_version"] == before["model_version"]
    assert manifest["data_snapshot_id"] == after["data_snapshot_id"]
    assert program.metric("reco_training_total", outcome="published") == 1
    assert program.workers() == worker
    assert program.ask("GET", "/health").json()["model"]["version"] == after["model_version"]


def test_an_administrator_switches_the_model_and_rolls_back(home: Home, program: Program) -> None:
    def follows() -> str | None:
        told = program.ask("GET", "/models", headers=home.admin).json()["next"]
        assert [told["held"], told["automatic"], told["follows"] is not None].count(True) == 1
        return "the best" if told["automatic"] else told["follows"]

    before = recommend(program, "u5")
    assert follows() == "the best"
    assert program.ask("POST", "/switch?model=knn").status == 401
    switched = program.ask("POST", "/switch?model=knn", headers=home.admin)
    assert switched.status == 200 and switched.json()["model"]["name"] == "knn"
    assert follows() == "knn"
    by_knn = recommend(program, "u5")
    assert by_knn["provenance"]["model"] == "knn"
    assert by_knn["recommendations"] != before["recommendations"]
    version = before["provenance"]["model_version"]
    back = program.ask("POST", f"/models/{version}/rollback", headers=home.admin)
    assert back.status == 200 and follows() is None
    after = recommend(program, "u5")
    assert after["recommendations"] == before["recommendations"]
    assert after["provenance"]["model_version"] == version
    with closing(home.side()) as side:
        acts = [(entry.action, entry.outcome) for entry in side.audit.entries(3)]
    assert ("model_switch", "done") in acts and ("model_rollback", "done") in acts


def test_a_worker_killed_alone_is_replaced_and_nothing_accepted_is_lost(program: Program) -> None:
    (worker,) = program.workers()
    bodies = [{"user_id": f"r{n}", "item_id": "m4", "rating": 4, "event_id": f"r-{n}"}
              for n in range(20)]
    assert {program.ask("POST", "/rate", body).status for body in bodies} == {200}
    os.kill(worker, signal.SIGKILL)
    soon(lambda: answers(program) and worker not in program.workers(), 20.0)
    assert program.process.poll() is None
    soon(lambda: all(history(program, f"r{n}")["total"] == 1 for n in range(20)))
    again = program.ask("POST", "/rate", bodies[0])
    assert (again.status, again.json()["duplicate"]) == (200, True)
    assert recommend(program, "u1")["is_personalized"]


def answers(program: Program) -> bool:
    try:
        return program.ask("GET", "/health").status == 200
    except (OSError, HTTPException):
        return False
