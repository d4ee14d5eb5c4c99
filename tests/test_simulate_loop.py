"""The loop simulator: its laws on a small world, its report, its command and its page."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from commands.simulate_loop import command
from recommender.simulate.loop import ARMS, BASE, Course, run_arm
from recommender.simulate.loop_plots import world_picture
from recommender.simulate.loop_report import LAST_ROUNDS, simulate_worlds
from recommender.simulate.loop_world import WORLDS, choose, draw_truth, fame_now
from tests.admin_desk import logged_in

SMALL = replace(WORLDS["strong"], people=40, films=60, rounds=6, begun_with=6)
BY_NAME = {arm.name: arm for arm in ARMS}


@cache
def course(name: str, seed: int = 1) -> Course:
    return run_arm(SMALL, BY_NAME[name], seed)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_arm_runs_its_course_within_bounds(name: str) -> None:
    found = course(name)
    for values in vars(found).values():
        assert values.shape == (SMALL.rounds,) and ((values >= 0) & (values <= 1)).all()


def test_arms_of_a_seed_begin_alike_and_seeds_differ() -> None:
    again = run_arm(SMALL, BY_NAME[BASE], 1)
    assert again.gini.tolist() == course(BASE).gini.tolist()
    # The first model is the same, fitted on the same histories.
    firsts = {float(course(name).utility[0]) for name in (BASE, "frozen", "no_feedback")}
    assert len(firsts) == 1
    assert course(BASE, 2).gini.tolist() != course(BASE).gini.tolist()


def test_the_oracle_gives_the_best_lists_and_chance_the_most_even_ones() -> None:
    worth = {name: float(course(name).worth.mean()) for name in BY_NAME}
    assert max(worth, key=worth.__getitem__) == "oracle"
    coverages = {name: float(course(name).coverage.mean()) for name in BY_NAME}
    assert max(coverages, key=coverages.__getitem__) == "random"


def test_tastes_do_not_depend_on_the_bias_and_fame_counts_what_was_taken() -> None:
    worlds = [replace(SMALL, fame_power=power, fame_start=0.0) for power in (0.0, 1.0)]
    truths = [draw_truth(world, np.random.default_rng(3)) for world in worlds]
    assert (truths[0].utility == truths[1].utility).all()
    taken = np.zeros(SMALL.films, np.int64)
    taken[5] = 40
    fame = fame_now(SMALL, truths[0], taken)
    assert fame.mean() == pytest.approx(1) and fame.argmax() == 5


def test_choices_follow_their_weights() -> None:
    weights = np.tile([1.0, 0.0, 3.0], (4_000, 1))
    chosen = choose(weights, np.random.default_rng(1).random(4_000))
    assert np.bincount(chosen, minlength=3) / 4_000 == pytest.approx([0.25, 0, 0.75], abs=0.03)


def test_the_report_compares_each_seed_with_itself_over_the_last_rounds() -> None:
    def run(world: object, arm: object, seed: int) -> Course:
        gini = np.full(8, 0.5 + 0.01 * seed)
        gini[-LAST_ROUNDS:] *= 0.8 if arm is not BY_NAME[BASE] else 1.0
        return Course(gini, gini, gini, gini, gini)

    report = simulate_worlds([1, 2, 3], lambda text: None, [SMALL], run)
    rows = {row["name"]: row for row in report["worlds"][0]["arms"]}
    assert rows["mmr"]["change"]["gini"] == pytest.approx(
        {"value": -0.2, "low": -0.2, "high": -0.2})
    end = rows[BASE]["end"]["gini"]
    assert end["value"] == pytest.approx(0.52)
    assert end["high"] - end["value"] == pytest.approx(4.303 * 0.01 / math.sqrt(3), rel=1e-3)


def test_the_command_writes_a_report_and_a_picture_and_the_page_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WORLDS, "strong", SMALL)
    monkeypatch.setattr("recommender.simulate.loop_report.ARMS", (BY_NAME[BASE], BY_NAME["mmr"]))
    done = CliRunner().invoke(
        command, ["--seeds", "2", "--world", "strong", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "loop_simulation_results.json").read_text())
    assert report["seeds"] == [1, 2] and report["schema_version"] == 1 and report["generated_at"]
    assert (tmp_path / "loop_simulation_strong.png").read_bytes().startswith(b"\x89PNG")
    assert "no_mitigation" in done.output and "%" in done.output
    assert world_picture(report["worlds"][0], "now").startswith(b"\x89PNG")
    desk = logged_in()
    assert "Nothing was simulated yet" in desk.text("/admin/loop-simulation")
    desk.world.audits.reports["loop_simulation_results"] = report
    shown = desk.text("/admin/loop-simulation")
    assert "Popularity bias: strong" in shown and "no mitigation" in shown and "mmr" in shown
    page = desk.get("/admin/loop-simulation").text
    linked = set(re.findall(r'href="#(def-\w+)"', page))
    assert linked == {"def-gini", "def-coverage", "def-utility"}
    assert linked <= set(re.findall(r'id="(def-\w+)"', page))
