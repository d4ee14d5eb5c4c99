import itertools
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from commands import compare, tune
from commands.tuning_file import TuningFile
from recommender.errors import InvalidField
from recommender.models import MODELS
from recommender.search import (
    SearchMethod,
    Trial,
    best_first,
    fingerprint,
    rungs,
    settings_to_try,
    share_of_users,
)
from tests.small_data import clustered, films
from tests.training_world import settings

__all__ = ["settings"]  # a fixture
SEARCHABLE = [spec for spec in MODELS.values() if spec.search_space()]


@pytest.mark.parametrize("spec", SEARCHABLE, ids=lambda spec: spec.name)
def test_settings_are_drawn_within_the_declared_ranges_and_are_possible(spec):
    first, *drawn = settings_to_try(spec, 40, seed=1)
    assert first == {} and drawn == settings_to_try(spec, 40, seed=1)[1:]
    assert settings_to_try(spec, 10, seed=1) == [first, *drawn[:9]]
    assert drawn != settings_to_try(spec, 40, seed=2)[1:]
    for overrides in drawn:
        spec.configure(overrides)
        for name, found in spec.search_space().items():
            assert found.low - 0.5 <= overrides[name] <= found.high + 0.5


@pytest.mark.parametrize("spec", SEARCHABLE, ids=lambda spec: spec.name)
def test_the_defaults_lie_within_the_ranges(spec):
    defaults = spec.hyperparameters({})
    for name, found in spec.search_space().items():
        assert found.low <= defaults[name] <= found.high


def test_a_model_without_ranges_is_not_searched():
    with pytest.raises(InvalidField, match="popularity"):
        settings_to_try(MODELS["popularity"], 5, 0)


@given(st.integers(2, 500))
def test_halving_goes_from_all_settings_on_few_people_to_few_on_all(count):
    plan = rungs(SearchMethod.HALVING, count)
    assert plan[0].count == count and plan[-1].share == 1.0
    assert [rung.share for rung in plan] == sorted(rung.share for rung in plan)
    assert all(one.count > two.count for one, two in itertools.pairwise(plan))
    assert rungs(SearchMethod.RANDOM, count) == [type(plan[0])(1.0, count)]


def test_those_below_the_coverage_asked_for_come_last():
    trials = [Trial(0, n, {}, ndcg, coverage) for n, (ndcg, coverage) in enumerate(
        [(0.3, 0.5), (0.2, 0.9), (0.25, 0.8), (0.1, 0.7)])]
    assert [t.number for t in best_first(trials, 0.8)] == [2, 1, 3, 0]
    assert [t.number for t in best_first(trials)] == [0, 2, 1, 3]


def test_a_larger_share_of_the_people_holds_a_smaller_one():
    whole = clustered(90)
    parts = [share_of_users(whole, share, seed=3) for share in (1 / 9, 1 / 3, 1.0)]
    users = [set(part.entry_users().tolist()) for part in parts]
    assert [len(some) for some in users] == [10, 30, 90]
    assert users[0] < users[1] < users[2]
    assert parts[0].item_ids == whole.item_ids


def test_data_are_told_apart():
    assert fingerprint(clustered(seed=1)) == fingerprint(clustered(seed=1))
    assert fingerprint(clustered(seed=1)) != fingerprint(clustered(seed=2))


def run(path: Path, method=SearchMethod.HALVING, header=None, said=None):
    file = TuningFile(path, header or {"seed": 0})
    return tune.search(
        clustered(120), films(), MODELS["knn"], "leave_last_out", method, 9, 0, 0.0, file,
        lambda *told: (said if said is not None else []).append(told))


def test_every_trial_is_in_the_file_and_a_cut_search_goes_on_to_the_same_end(tmp_path):
    said = []
    trials = run(tmp_path / "a.jsonl", said=said)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [(line["rung"], line["trial"]) for line in map(json.loads, lines[1:])][:9] == [
        (0, n) for n in range(9)]
    assert len(lines) == 1 + 9 + 3 + 1 and said[-1] == ("tuning knn", 13, 13)
    assert len(trials) == 1
    cut = tmp_path / "b.jsonl"
    cut.write_text("\n".join(lines[:6]) + "\n" + lines[6][:20])
    assert run(cut) == trials
    timeless = [[{**json.loads(line), "fit_s": 0} for line in path.read_text().splitlines()]
                for path in (tmp_path / "a.jsonl", cut)]
    assert timeless[0] == timeless[1]


def test_a_file_of_another_search_or_of_none_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    TuningFile(path, {"seed": 0, "model": "knn"})
    with pytest.raises(InvalidField, match="seed"):
        TuningFile(path, {"seed": 1, "model": "knn"})
    path.write_text("no json\n")
    with pytest.raises(InvalidField, match="no result file"):
        TuningFile(path, {"seed": 0})


def test_both_commands_work_on_what_the_store_holds(
    settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(settings.data_folder))
    out = tmp_path / "told"
    done = CliRunner().invoke(tune.command, [
        "--model", "transition_knn", "--trials", "3", "--split", "leave_last_out",
        "--out", str(out / "t.jsonl"), "--json"], standalone_mode=False)
    told = json.loads(done.stdout)
    assert len(told["best"]) == 3 and told["file"] == str(out / "t.jsonl")
    assert len((out / "t.jsonl").read_text().splitlines()) == 4
    done = CliRunner().invoke(compare.command, [
        "--model", "knn", "--model", "popularity", "--split", "leave_last_out", "--out", str(out),
        "--json"], standalone_mode=False)
    told = json.loads(done.stdout)
    assert [model["name"] for model in told["models"]] == ["knn", "popularity"]
    assert json.loads((out / "comparison.json").read_text()) == told
    assert (out / "comparison.png").read_bytes()[:4] == b"\x89PNG"
    assert "| knn |" in (out / "comparison.md").read_text()
