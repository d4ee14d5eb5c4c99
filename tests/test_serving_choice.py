"""Which of the trained models serves: what the gate says, and what was chosen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from commands import registry, training_run
from commands.training_parts import open_training
from commands.training_run import (
    serving_reference,
)
from composition import StoreSide, open_model_files
from recommender import training
from recommender.errors import ModelRefused
from recommender.gate import Evidence, Finding
from settings import Settings
from tests.training_world import (
    SEEN,
    USERS,
    flood,
    invoke,
    lines_of,
    reason_of_newest,
    settings,
    side,
    statuses,
    train,
    walk,
    watch_of,
)

__all__ = ["settings", "side"]  # fixtures


def test_the_next_training_compares_with_the_serving_model(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    walk(side.store, range(SEEN, SEEN + 2))
    assert train(settings) == (0, "published")
    assert statuses(side) == ["previous", "available", "serving", "available"]
    record = side.allow_list.serving()
    assert record is not None
    manifest = open_model_files(settings, publishing=False).manifest(record.version_id)
    assert manifest.verdict.reason == "not_worse"
    assert manifest.verdict.serving_ndcg is not None
    assert "on its own data" in manifest.verdict.explanation
    assert manifest.parent_version == side.allow_list.records()[-1].version_id


def test_a_model_of_flooded_data_is_refused_though_its_settings_are_the_same(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    before = side.allow_list.serving()
    flood(side.store)
    assert train(settings) == (1, "refused")
    assert side.allow_list.serving() == before
    assert reason_of_newest(settings, side, "transition_knn") == "worse_than_serving"
    refused = next(r for r in side.allow_list.records() if r.name == "transition_knn")
    assert f"on {USERS} users known to the serving model of {USERS}" in str(refused.reason)


def test_where_there_is_nothing_to_compare_with_the_verdict_says_so(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    train(settings)
    assert reason_of_newest(settings, side, "transition_knn") == "same_data"
    walk(side.store, range(SEEN, SEEN + 2))
    shutil.rmtree(settings.data_folder / "snapshots")
    train(settings)
    assert reason_of_newest(settings, side, "transition_knn") == "same_configuration"


@pytest.mark.parametrize("by_version", [False, True])
def test_a_training_leaves_a_held_model_alone_until_a_switch_by_name(
    settings: Settings, side: StoreSide, by_version: bool
) -> None:
    train(settings)
    train(settings)
    first = side.allow_list.find("1")
    assert first is not None
    if by_version:
        watch_of(settings, side).switch("1", "admin")
    else:
        files = open_model_files(settings, publishing=False)
        registry.roll_back(side.allow_list, files, side.audit, None, 5)
    assert train(settings) == (0, "held")
    assert statuses(side)[:4] == ["serving", "available", "previous", "available"]
    assert statuses(side)[4:] == ["available", "available"]
    (line, _) = [line for line in lines_of(settings) if line["event"] == "model"][-2:]
    assert line["status"] == "available" and "held" in line["explanation"]
    assert watch_of(settings, side).switch("transition_knn", "admin").version == 5
    assert train(settings) == (0, "published")
    serving = side.allow_list.serving()
    assert serving is not None and serving.version == 7


def test_after_a_switch_by_name_trainings_serve_that_name(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    watch_of(settings, side).switch("popularity", "admin")
    walk(side.store, range(SEEN, SEEN + 2))
    assert train(settings) == (0, "published")
    assert statuses(side) == ["available", "previous", "available", "serving"]
    assert reason_of_newest(settings, side, "transition_knn") == "not_compared"
    assert reason_of_newest(settings, side, "popularity") in ("not_worse", "same_data")


@pytest.mark.parametrize("reference", ["2", "popularity"])
def test_a_switch_during_a_training_is_respected(
    settings: Settings, side: StoreSide, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    train(settings)

    def train_and_switch(*arguments: Any, **named: Any) -> Any:
        watch_of(settings, side).switch(reference, "admin")
        return training.train(*arguments, **named)

    monkeypatch.setattr(training_run, "train", train_and_switch)
    assert train(settings) == (0, "held")
    assert statuses(side) == ["previous", "serving", "available", "available"]


def test_the_best_model_that_passes_serves_when_none_does(
    settings: Settings, side: StoreSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never_transitions(evidence: Evidence) -> Iterator[Finding]:
        if evidence.candidate.coverage.value > 0.9:
            yield Finding("a rule", False, "a_rule", "Against a rule.")

    plain = training.TrainingPlan

    def with_a_rule(*arguments: Any, **named: Any) -> training.TrainingPlan:
        return plain(*arguments, **{**named, "checks": [never_transitions]})

    monkeypatch.setattr(training_run, "TrainingPlan", with_a_rule)
    assert train(settings) == (0, "published")
    assert statuses(side) == ["refused", "serving"]
    assert reason_of_newest(settings, side, "transition_knn") == "a_rule"


def test_every_manifest_tells_of_all_models_of_its_training(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    files = open_model_files(settings, publishing=False)
    for record in side.allow_list.records():
        told = files.manifest(record.version_id).candidates
        assert [(c.name, c.passed, c.chosen) for c in told] == [
            ("transition_knn", True, True), ("popularity", True, False)]
        assert told[0].metrics["ndcg_at_10"].value > told[1].metrics["ndcg_at_10"].value


def test_a_model_for_which_there_was_no_time_is_noted(
    settings: Settings, side: StoreSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = training.TrainingPlan
    monkeypatch.setattr(training_run, "TrainingPlan", lambda *arguments, **named: plain(
        *arguments, **{**named, "is_late": lambda: True}))
    assert train(settings) == (0, "published")
    assert statuses(side) == ["serving"]
    (line,) = [line for line in lines_of(settings) if line["event"] == "dropped"]
    assert line["name"] == "popularity" and "time budget" in line["explanation"]
    serving = side.allow_list.serving()
    assert serving is not None
    told = open_model_files(settings, publishing=False).manifest(serving.version_id).candidates
    assert [(c.name, c.dropped) for c in told] == [
        ("transition_knn", None), ("popularity", line["explanation"])]


def test_after_a_switch_to_automatic_the_best_serves_again(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    watch = watch_of(settings, side)
    watch.switch("popularity", "admin")
    watch.switch("automatic", "admin")
    assert statuses(side) == ["previous", "serving"]
    assert train(settings) == (0, "published")
    serving = side.allow_list.serving()
    assert serving is not None and (serving.version, serving.name) == (3, "transition_knn")


def test_a_worse_model_is_kept_as_refused_and_not_served(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    before = side.allow_list.serving()
    worse = settings.model_copy(update={"models": ["popularity"]})
    assert train(worse) == (1, "refused")
    assert side.allow_list.serving() == before
    refused = side.allow_list.records()[0]
    assert refused.status == "refused" and "below" in str(refused.reason)
    files = open_model_files(settings, publishing=False)
    assert files.manifest(refused.version_id).verdict.reason == "worse_than_serving"
    with pytest.raises(ModelRefused):
        files.load(refused.version_id, refused)


def test_damaging_the_serving_file_does_not_open_the_gate(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    record = side.allow_list.serving()
    assert record is not None
    folder = settings.registry_folder / "models"
    for suffix in ("pkl", "json"):
        (folder / f"model_v{record.version_id}.{suffix}").write_bytes(b"x")
        files = open_model_files(settings, publishing=False)
        with open_training(settings) as parts:
            reference = serving_reference(files, parts.snapshots, record, "another")
        assert reference is not None and reference.bundle is None
        worse = settings.model_copy(update={"models": ["popularity"]})
        assert train(worse) == (1, "refused")


def test_what_is_published_and_served_is_audited(settings: Settings, side: StoreSide) -> None:
    train(settings)
    first, second = (record.version_id for record in reversed(side.allow_list.records()))
    entries = reversed(side.audit.entries())
    assert [(e.actor, e.action, e.target, e.outcome) for e in entries] == [
        ("tests", "model_publish", first, "available"), ("tests", "model_serve", first, "done"),
        ("tests", "model_publish", second, "available"),
    ]  # fmt: skip


def test_a_rollback_from_the_command_line_is_listed_and_audited(
    settings: Settings, side: StoreSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(settings)
    assert "before the serving one" in str(invoke(settings, monkeypatch, "rollback")[1])
    train(settings)
    _, told = invoke(settings, monkeypatch, "rollback")
    assert (told["version"], told["status"]) == (1, "serving")
    assert statuses(side)[:3] == ["serving", "available", "previous"]
    outcomes = [(entry.action, entry.outcome) for entry in side.audit.entries()
                if entry.action == "model_rollback"]  # fmt: skip
    assert outcomes == [("model_rollback", "done"), ("model_rollback", "refused")]
    current = json.loads((settings.registry_folder / "current.json").read_text())
    assert current["serving"]["version"] == 1
