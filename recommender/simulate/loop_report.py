"""Courses of all arms and seeds as one report: means with intervals, changes against the base."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.stats import t as student

from recommender.arrays import Float64s
from recommender.simulate.loop import ARMS, BASE, Course, Progress, run_arm
from recommender.simulate.loop_world import WORLDS, LoopWorld

SCHEMA_VERSION = 1
MEASURES = ("gini", "coverage", "utility", "worth", "concentration")
LAST_ROUNDS = 5
"""Rounds at the end whose mean is compared: the state that the loop has come to."""

Courses = Mapping[str, Sequence[Course]]
"""By arm, one for each seed in the order of the seeds."""


def simulate_worlds(seeds: Sequence[int], progress: Progress,
                    worlds: Sequence[LoopWorld] = tuple(WORLDS.values()),
                    run: Callable[..., Course] = run_arm) -> dict[str, Any]:
    """The report over these worlds; each arm in each seed."""
    found = []
    for world in worlds:
        courses: dict[str, list[Course]] = {}
        for arm in ARMS:
            progress(f"{world.name}: {arm.name}")
            courses[arm.name] = [run(world, arm, seed) for seed in seeds]
        found.append(world_report(world, courses))
    return {"schema_version": SCHEMA_VERSION, "base": BASE, "seeds": list(seeds),
            "last_rounds": LAST_ROUNDS, "arms": [_arm_row(arm) for arm in ARMS], "worlds": found}


def world_report(world: LoopWorld, courses: Courses) -> dict[str, Any]:
    """One world: for each arm its courses' means and intervals, its end and its change."""
    rows = []
    for name, of_seeds in courses.items():
        row: dict[str, Any] = {"name": name, "over_time": {}, "end": {}, "change": {}}
        for measure in MEASURES:
            values = _values(of_seeds, measure)
            means, halves = zip(*(_mean(values[:, at]) for at in range(values.shape[1])),
                                strict=True)
            row["over_time"][measure] = {"mean": list(means), "half": list(halves)}
            row["end"][measure] = _measured(_end(values))
            # Seeds are shared by the arms, so each is its own control.
            base = _end(_values(courses[BASE], measure))
            row["change"][measure] = _measured(_end(values) / base - 1.0)
        rows.append(row)
    return {"parameters": asdict(world), "arms": rows}


def _arm_row(arm: Any) -> dict[str, Any]:
    return {"name": arm.name, "feed": arm.feed.value, "settings": dict(arm.settings),
            "rerank": dict(arm.chain.strengths)}


def _values(courses: Sequence[Course], measure: str) -> Float64s:
    return np.array([getattr(course, measure) for course in courses])


def _end(values: Float64s) -> Float64s:
    """Mean of the last rounds of each seed."""
    ended: Float64s = values[:, -LAST_ROUNDS:].mean(axis=1)
    return ended


def _mean(values: Float64s) -> tuple[float, float]:
    """Mean over seeds and half of its 95 % interval by Student's t; 0 for a single seed."""
    n = len(values)
    if n < 2:
        return float(values.mean()), 0.0
    half = student.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n)
    return float(values.mean()), float(half)


def _measured(values: Float64s) -> dict[str, float]:
    mean, half = _mean(values)
    return {"value": mean, "low": mean - half, "high": mean + half}
