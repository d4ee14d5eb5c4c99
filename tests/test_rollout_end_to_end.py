"""Rollouts in the real program: arms, restart, swaps under load, a replay, a probe."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.demo import Demo, make_demo
from benchmarks.rollback import ALLOWED_S, seconds_to_roll_back
from benchmarks.swaps import swap_under_load
from commands.replay_request import asked_options
from composition import open_store
from fairreel import main
from recommender.serving import RecommendOptions
from recommender.simulate import WorldSpec
from settings import Settings
from tests.running_server import soon

USERS = [f"u{n}" for n in range(1, 61)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("rollouts")
    made = make_demo(folder, WorldSpec(seed=3, n_movies=150, n_users=300, n_events=12_000),
                     canary_judging_interval_s="1", canary_users_min="10",
                     outputs_folder=str(folder / "outputs"),
                     ab_test_results_file=str(folder / "ab_test_results.json"))
    made.program.start(110.0)
    yield made
    made.program.kill()


@pytest.fixture(scope="module")
def settings(demo: Demo) -> Settings:
    folder = demo.program.output.parent
    return Settings(data_folder=folder / "data", registry_folder=folder / "registry")


def ask(demo: Demo, method: str, path: str) -> Any:
    answer = demo.program.ask(method, path, headers={"X-API-Key": demo.admin_secret})
    assert answer.status == 200, answer.body
    return answer.json()


def lists(demo: Demo) -> dict[str, Any]:
    return {user: ask(demo, "GET", f"/recommend?user_id={user}") for user in USERS}


def arms(demo: Demo) -> dict[str, tuple[str, str]]:
    return {user: (found["variant"], found["provenance"]["model_version"])
            for user, found in lists(demo).items()}


@pytest.fixture(scope="module")
def versions(demo: Demo) -> tuple[str, str]:
    """The version that serves, and another one."""
    found = ask(demo, "GET", "/models")
    others = [m["version_id"] for m in found["models"] if m["status"] in ("available", "previous")]
    return found["serving"], others[0]


@pytest.mark.timeout(300)
def test_arms_stick_to_users_and_survive_a_restart(
        demo: Demo, versions: tuple[str, str], tmp_path: Path) -> None:
    stable, candidate = versions
    ask(demo, "POST", f"/rollout/update?strategy=ab_test&canary_version={candidate}&name=first")
    soon(lambda: {"A", "B"} == {variant for variant, _ in arms(demo).values()}, 30)
    before = arms(demo)
    assert set(before.values()) == {("A", stable), ("B", candidate)}
    report = demo.program.output.parent / "ab_test_results.json"
    soon(lambda: report.exists() and json.loads(report.read_text())["lists"] >= len(USERS), 30)
    assert demo.program.terminate() == 0
    demo.program.start(110.0)
    assert arms(demo) == before
    ask(demo, "POST", "/rollout/update?strategy=fixed")
    soon(lambda: set(arms(demo).values()) == {("A", stable)}, 30)
    assert [e["name"] for e in ask(demo, "GET", "/experiments")["experiments"]] == ["first"]


@pytest.mark.timeout(300)
def test_a_diversity_boost_is_an_arm_of_the_same_model(demo: Demo,
                                                       versions: tuple[str, str]) -> None:
    plain = lists(demo)
    ask(demo, "POST", "/rollout/update?strategy=ab_test&diversity=0.9&name=boost")
    soon(lambda: len({variant for variant, _ in arms(demo).values()}) == 2, 30)
    found = lists(demo)
    boosted = [user for user, of in found.items() if of["variant"] == "B"]
    assert {of["provenance"]["model_version"] for of in found.values()} == {versions[0]}
    films = {user: [f["item_id"] for f in of["recommendations"]] for user, of in found.items()}
    before = {user: [f["item_id"] for f in of["recommendations"]] for user, of in plain.items()}
    assert all(films[user] == before[user] for user in USERS if user not in boosted)
    assert any(films[user] != before[user] for user in boosted)
    ask(demo, "POST", "/rollout/update?strategy=fixed")


@pytest.mark.timeout(300)
def test_a_shadow_answers_nobody_and_is_compared(demo: Demo, versions: tuple[str, str]) -> None:
    ask(demo, "POST", f"/rollout/update?strategy=shadow&canary_version={versions[1]}")

    soon(lambda: {variant for variant, _ in arms(demo).values()} == {"A"}, 30)

    def scored() -> bool:
        assert set(arms(demo).values()) == {("A", versions[0])}
        return bool(ask(demo, "GET", "/rollout/status")["results"].get("scored"))

    soon(scored, 40)
    results = ask(demo, "GET", "/rollout/status")["results"]
    assert 0 <= results["overlap"] <= 1 and results["failed"] == 0
    ask(demo, "POST", "/rollout/update?strategy=fixed")


@pytest.mark.timeout(300)
def test_a_bad_canary_answers_nobody_after_one_judging_interval_and_five_seconds(
        demo: Demo) -> None:
    everybody = [f"u{n}" for n in range(1, 301)]
    assert seconds_to_roll_back(demo, everybody, 60.0) <= 1.0 + ALLOWED_S
    ended = ask(demo, "GET", "/experiments")["experiments"][0]
    # Which of the two is certain first depends on who asked first.
    assert ended["reason"].startswith(("exposure_concentration is worse", "tail_share is worse"))
    assert "log_latency" not in ended["reason"]
    assert demo.program.metric("reco_rollouts_ended_total", outcome="rolled_back") == 1


@pytest.mark.timeout(300)
def test_swaps_under_load_fail_no_request(demo: Demo, settings: Settings) -> None:
    found = swap_under_load(demo, settings, USERS, requests=400, swaps=4, clients=4)
    assert (found.requests, found.swaps, found.failed, found.inconsistent) == (400, 4, 0, 0)
    assert len(found.versions) == 2


@pytest.mark.timeout(300)
def test_a_logged_list_is_made_again_also_after_the_history_went_on(
        demo: Demo, settings: Settings, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [ask(demo, "GET", f"/recommend?user_id=u7&k=5{more}")
               for more in ("", "&genre=Comedy", "&include_seen=true", "&diversity=0.5")]
    film = answers[0]["recommendations"][0]["item_id"]
    rated = demo.program.ask("POST", "/rate", {"user_id": "u7", "item_id": film, "rating": 5})
    assert rated.status == 200
    before = answers[0]["provenance"]["history_version"]
    soon(lambda: ask(demo, "GET", "/recommend?user_id=u7")["provenance"]["history_version"]
         > before, 30)
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(settings.data_folder))
    monkeypatch.setenv("FAIRREEL_REGISTRY_FOLDER", str(settings.registry_folder))
    for answer in answers:
        code = main(["replay-request", answer["provenance"]["request_id"], "--json"])
        told = json.loads(capsys.readouterr().out)
        assert (code, told["identical"]) == (0, True), told
    assert main(["replay-request", "0" * 8]) == 1


@pytest.mark.timeout(300)
def test_a_probe_drives_the_program(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["probe", "--url", demo.program.address, "--users", "50", "--requests", "60",
                 "--rate", "40", "--rates", "1", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 0 and told["failed"] == 0 and told["lists"] == 60
    assert told["variants"]["A"]["personalized_share"] > 0.9


def test_options_of_a_request_are_told_when_they_are_not_the_default() -> None:
    body = {"k": 3, "provenance": {"asked": {"exclude": ["a"], "genre": None,
                                             "include_seen": True}}}
    assert asked_options(body) == RecommendOptions(3, ("a",), None, include_seen=True)
    assert asked_options({"k": 3, "provenance": {}}) == RecommendOptions(3)


@pytest.mark.timeout(300)
def test_drift_is_reported_from_the_store(settings: Settings, tmp_path: Path,
                                          capsys: pytest.CaptureFixture[str],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(settings.data_folder))
    monkeypatch.setenv("FAIRREEL_OUTPUTS_FOLDER", str(tmp_path))
    monkeypatch.setenv("FAIRREEL_DRIFT_WINDOW_S", str(10 * 365 * 86_400))
    assert main(["drift", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "drift_report.json").read_text())
    with closing(open_store(settings)) as side:
        kinds = Counter(k for c in side.store.event_chunks(0, 10_000) for k in c["type"])
    assert told["current"]["events"] == kinds["rate"] + kinds["watch"]
    assert told["status"] == "INSUFFICIENT_DATA"
    assert os.environ["FAIRREEL_OUTPUTS_FOLDER"] == str(tmp_path)
