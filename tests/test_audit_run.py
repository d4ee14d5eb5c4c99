"""The audit over a real store: what trainings and the audit command leave behind."""

from __future__ import annotations

import json
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from adapters.outputs import OutputFolder
from clock import now_ms
from commands import audit as audit_command
from commands.audit_run import AuditOutcome, run_audit
from commands.training_parts import open_training
from composition import StoreSide, open_model_files, open_response_log
from recommender.answer_text import AnswerText
from recommender.request_id import request_id
from recommender.rerank.chain import AS_RANKED, chain_of
from recommender.training import TrainingResult
from recommender.training import train as train_models
from recommender.types import AnsweredRecord, Movie, Person
from settings import Settings
from tests.training_world import (
    FILMS,
    USERS,
    lines_of,
    reason_of_newest,
    settings,
    settings_of,
    side,
    statuses,
    train,
)

__all__ = ["settings", "side"]  # fixtures
FAIRNESS, LOOPS = "fairness_analysis_results", "feedback_loop_analysis_results"
HEAD = {"schema_version", "generated_at", "subject", "data_snapshot_id", "model_name",
        "model_version", "window", "lists", "thresholds", "status", "requirements"}


def outputs_of(settings: Settings) -> OutputFolder:
    return OutputFolder(settings.outputs_folder)


def answer(settings: Settings, n: int, dice: random.Random, status: int = 200,
           age_ms: int = 0) -> None:
    """Log answers to random people with random films."""
    with closing(open_response_log(settings)) as log:
        for place in range(n):
            films = dice.sample(range(FILMS), 10)
            at_ms = now_ms() - age_ms - 60_000 + place
            body = orjson.dumps({"recommendations": [{"item_id": f"i{film}"} for film in films]})
            text = AnswerText(body[:-1] + b',"provenance":{"request_id":"', b'","generated_at":"')
            log.record(AnsweredRecord(
                request_id(at_ms, dice.getrandbits(74)), at_ms, f"u{dice.randrange(USERS)}",
                "AB"[place % 2], "20260101T000000Z", 1, True, status, 900, text))


def audited(settings: Settings, **changes: Any) -> AuditOutcome:
    from adapters.database import open_database

    responses = open_database(settings.responses(), "responses")
    try:
        with open_training(settings, publishing=False) as parts:
            return run_audit(settings, parts, responses, lambda text: None, **changes)
    finally:
        responses.dispose()


def test_a_training_leaves_report_history_and_a_card_of_each_model(
    settings: Settings, side: StoreSide
) -> None:
    side.catalogue.add_people([Person(f"u{n}", "FM"[n % 2], 20 + n % 40) for n in range(USERS)])
    assert train(settings) == (0, "published")
    outputs, serving = outputs_of(settings), side.allow_list.serving()
    assert serving is not None
    report = outputs.report(FAIRNESS)
    assert report is not None and report.keys() >= HEAD
    assert (report["subject"], report["model_version"]) == ("candidate", serving.version_id)
    assert report["lists"] == report["people"] == USERS
    assert report["data_snapshot_id"].startswith("sha256:")
    for row in report["requirements"]:
        assert row["status"] in ("PASS", "FAIL", "INCONCLUSIVE", "INSUFFICIENT_DATA")
    quality = {(g["family"], g["name"]): g["quality"] for g in report["groups"]}
    assert quality["gender", "F"]["low"] <= quality["gender", "F"]["value"]
    rows = outputs.history()
    assert [row["model_name"] for row in rows] == ["transition_knn", "popularity"]
    assert rows[0]["requirements"]["gini"][0] == next(
        r["value"] for r in report["requirements"] if r["name"] == "gini")
    cards = sorted(path.name for path in (settings.outputs_folder / "model_cards").iterdir())
    assert cards == sorted(f"model_v{r.version_id}.md" for r in side.allow_list.records())
    card = (settings.outputs_folder / "model_cards" / f"model_v{serving.version_id}.md").read_text()
    for expected in ("# transition_knn, version 1", report["data_snapshot_id"], "coverage:",
                     "gender F", "Use and limits"):
        assert expected in card
    line = next(line for line in lines_of(settings) if line["event"] == "audit")
    assert line["statuses"]["coverage"] in ("PASS", "FAIL")
    assert ["reco_audit_lists", {"variant": "candidate"}, float(USERS)] in line["gauges"]


def test_a_training_with_rerankers_judges_audits_and_tells_of_the_reranked_lists(
    tmp_path: Path, settings: Settings, side: StoreSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by = []

    def watched(*arguments: Any) -> TrainingResult:
        judged_by.append(arguments[2].chain)
        return train_models(*arguments)

    monkeypatch.setattr("commands.training_run.train", watched)
    assert train(settings) == (0, "published")
    assert train(settings_of(tmp_path, rerank={"tail_slots": 0.3}))[1] != "failed"
    assert judged_by == [AS_RANKED, chain_of({"tail_slots": 0.3})]
    files = open_model_files(settings, publishing=False)
    reranked, plain = (files.manifest(record.version_id) for record in side.allow_list.records()
                       if record.name == "transition_knn")
    assert (plain.rerank, reranked.rerank) == ({}, {"tail_slots": 0.3})
    told = "lists reranked by tail_slots 0.3"
    cards = [(settings.outputs_folder / "model_cards" / f"model_v{one.version_id}.md").read_text()
             for one in (plain, reranked)]
    assert [told in card for card in cards] == [False, True]


def test_an_audit_says_when_no_gate_has_judged_the_chain_that_serves(
    tmp_path: Path, settings: Settings, side: StoreSide
) -> None:
    train(settings)

    def noted(of: Settings) -> list[str]:
        audited(of)
        report = outputs_of(of).report(FAIRNESS)
        assert report is not None
        return [note for note in report["notes"] if "no gate has judged" in note]

    assert noted(settings) == []
    (note,) = noted(settings_of(tmp_path, rerank={"popularity_division": 0.5}))
    assert "reranked by popularity_division 0.5. " in note and "reranked by none, " in note


def test_an_enforced_requirement_refuses_with_the_reason_and_a_warning_publishes(
    tmp_path: Path, settings: Settings, side: StoreSide
) -> None:
    changes = {"audit_tail_share_min": 1.0}
    strict = settings_of(tmp_path, audit_enforced=["coverage", "gini", "tail_share"], **changes)
    assert train(strict) == (1, "refused")
    assert reason_of_newest(strict, side, "transition_knn") == "requirement_tail_share"
    record = side.allow_list.records()[0]
    assert record.reason is not None and "required is at least 1: FAIL" in record.reason
    row = next(r for r in outputs_of(strict).history()[0]["requirements"].items()
               if r[0] == "tail_share")
    assert row[1][1] == "FAIL"
    assert train(settings_of(tmp_path, **changes)) == (0, "published")
    assert statuses(side)[-2:] == ["serving", "available"]


def test_the_audit_reports_answers_loops_and_events(settings: Settings, side: StoreSide) -> None:
    train(settings)
    answer(settings, 300, random.Random(1))
    answer(settings, 5, random.Random(2), status=503)
    answer(settings, 7, random.Random(3), age_ms=3 * 86_400_000)
    outcome = audited(settings, dropped=4)
    outputs = outputs_of(settings)
    fairness, loops = outputs.report(FAIRNESS), outputs.report(LOOPS)
    security = outputs.report("security_analysis_results")
    assert fairness is not None and loops is not None and security is not None
    for report in (fairness, loops, security):
        assert report.keys() >= HEAD
        assert report["data_snapshot_id"] == fairness["data_snapshot_id"]
    assert (fairness["subject"], fairness["answers"]["answers"]) == ("serving", 300)
    variants = fairness["answers"]["variants"]
    assert {name: row["lists"] for name, row in variants.items()} == {"A": 150, "B": 150}
    assert all(row["exposures"] == 1_500 for row in variants.values())
    assert loops["answers_dropped"] == 4 and "4 answers" in loops["notes"][0]
    assert len(loops["windows"]) == 12 and loops["requirements"][0]["name"] == "echo"
    assert loops["starvation"]["index"] == 0.0 and loops["over_retrains"]["models"] == 1
    assert security["total_events"] == USERS * 20 and security["flagged_users"] == []
    gauges = {(name, *labels.values()): value for name, labels, value in outcome.line()["gauges"]}
    assert gauges["reco_catalog_coverage", "A"] == 1.0
    assert 0 < gauges["reco_exposure_gini", "A", "catalogue"] < 0.5
    assert outcome.left_out == {}


def test_quality_measured_in_training_stays_in_later_reports_of_the_same_model(
    settings: Settings
) -> None:
    train(settings)
    before = outputs_of(settings).report(FAIRNESS)
    audited(settings)
    after = outputs_of(settings).report(FAIRNESS)
    assert before is not None and after is not None and after["subject"] == "serving"

    def quality(report: Any) -> Any:
        return [(g["name"], g["quality"], g["status"]) for g in report["groups"]], next(
            r for r in report["requirements"] if r["name"] == "quality_parity")

    assert quality(before) == quality(after)


def test_new_films_are_part_of_the_active_catalogue_and_old_untouched_ones_are_not(
    settings: Settings, side: StoreSide
) -> None:
    side.catalogue.add_movies([Movie("new", "New", added_at_ms=now_ms()), Movie("old", "Old")])
    train(settings)
    report = outputs_of(settings).report(FAIRNESS)
    assert report is not None and report["catalogue"] == FILMS + 1


def test_pictures_are_drawn_under_the_names_of_the_contract(tmp_path: Path,
                                                            settings: Settings) -> None:
    settings = settings_of(tmp_path, audit_pictures=True)
    train(settings)
    answer(settings, 250, random.Random(1))
    audited(settings)
    names = {path.name for path in settings.outputs_folder.glob("*.png")}
    assert names == {
        "fairness_popularity_bias.png", "fairness_model_parity.png",
        "feedback_loop_popularity_echo.png", "feedback_loop_tail_starvation.png",
        "security_rating_spam_detection.png"}
    for name in names:
        content = (settings.outputs_folder / name).read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 10_000
    assert not list(settings.outputs_folder.rglob("*.tmp"))


def test_the_command_prints_a_line_for_machines_and_says_when_nothing_is_there(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.json_log.configure_json_log", lambda level: None)
    for name in ("data_folder", "registry_folder", "outputs_folder", "audit_pictures"):
        monkeypatch.setenv(f"FAIRREEL_{name.upper()}", str(getattr(settings, name)))
    runner = CliRunner()
    done = runner.invoke(audit_command.command, ["--json"], standalone_mode=False)
    assert done.return_value == 2 and "no snapshot" in done.output
    train(settings)
    done = runner.invoke(audit_command.command, ["--json"], standalone_mode=False)
    line = json.loads(done.output)
    assert done.return_value == 0 and line["event"] == "audit" and line["lists"] == USERS
    assert line["left_out"] == {"answers": "no answer was logged in the window"}


def test_a_folder_that_cannot_be_written_is_told_and_stops_no_training(
    tmp_path: Path, settings: Settings, side: StoreSide
) -> None:
    blocked = settings_of(tmp_path, outputs_folder=tmp_path / "file")
    (tmp_path / "file").write_text("no folder")
    assert train(blocked) == (0, "published")
    told = [line for line in lines_of(blocked) if line["event"] == "audit_not_written"]
    assert len(told) == 2
