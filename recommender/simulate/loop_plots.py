"""A world of the loop simulator as a picture: Gini, coverage and utility over the retrains."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_PANELS = (
    ("gini", "Gini of what is shown, all films"), ("coverage", "coverage"),
    ("utility", "true utility of what is taken"),
)
# Told apart without colour: by dashes, marks and shade.
_STYLES = (
    ("no_mitigation", "#000000", "-", "o"), ("model_exponents", "#0b4f8a", "-", "s"),
    ("popularity_division", "#0b4f8a", "--", "^"), ("combined", "#6f6f6f", "-", "D"),
    ("exposure_cap", "#6f6f6f", "--", "v"), ("tail_slots", "#6f6f6f", ":", "P"),
    ("exploration", "#a8a8a8", "-", "X"), ("mmr", "#a8a8a8", "--", "<"),
    ("calibrated_genres", "#a8a8a8", ":", ">"), ("cap_and_genres", "#0b4f8a", ":", "d"),
    ("random", "#9c1c1c", ":", "."), ("oracle", "#9c1c1c", "-", "*"),
    ("no_feedback", "#9c1c1c", "--", "x"),
)


def world_picture(report: Mapping[str, Any], generated_at: str) -> bytes:
    """A PNG of one world of `loop_report.simulate_worlds`; 95 % intervals over seeds as bars."""
    figure = Figure(figsize=(15, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    arms = {row["name"]: row for row in report["arms"]}
    axes = figure.subplots(1, len(_PANELS))
    for axis, (measure, title) in zip(axes, _PANELS, strict=True):
        _panel(axis, arms, measure, title)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    world = report["parameters"]
    figure.suptitle(f"World with popularity bias: {world['name']} (fame to the power "
                    f"{world['fame_power']:g}); {generated_at}", fontsize=11)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _panel(axis: Axes, arms: Mapping[str, Any], measure: str, title: str) -> None:
    for place, (name, colour, dashes, mark) in enumerate(_STYLES):
        if name not in arms:
            continue
        course = arms[name]["over_time"][measure]
        rounds = np.arange(1, len(course["mean"]) + 1)
        axis.errorbar(rounds, course["mean"], yerr=course["half"], color=colour, ls=dashes,
                      marker=mark, ms=5, lw=1.4, elinewidth=0.8, errorevery=(place % 4, 4),
                      markevery=(place % 4, 4), label=name.replace("_", " "))
    axis.set(xlabel="retrain", ylabel=title, title=title)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#e4e4e4", lw=0.6)
