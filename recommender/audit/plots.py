"""The reports as pictures: PNG, axes named, thresholds drawn, told apart without colour."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter

from recommender.audit.exposure import Tier

_DARK, _MIDDLE, _LIGHT = "#1a1a1a", "#6f6f6f", "#c4c4c4"
_LINE = "#0b4f8a"
_FAIL = "#9c1c1c"
_DPI = 110


def popularity_bias(document: Mapping[str, Any], exposures: Sequence[int]) -> bytes:
    """Lorenz curve of the exposure, and coverage and Gini as they depend on the number of lists.

    Args:
        document: of `fairness_document`.
        exposures: of the whole catalogue.
    """
    figure, (left, right) = _figure(2)
    ordered = np.sort(np.asarray(exposures, np.float64))
    shares = np.concatenate(([0.0], np.cumsum(ordered))) / max(ordered.sum(), 1.0)
    left.plot(np.linspace(0, 1, len(shares)), shares, color=_LINE, lw=2, label="exposure")
    left.plot((0, 1), (0, 1), color=_MIDDLE, ls="--", lw=1, label="all films alike")
    left.set(xlabel="share of the catalogue, least shown films first", xlim=(0, 1), ylim=(0, 1),
             ylabel="share of all recommendations", title="Who is shown")
    left.legend(loc="upper left", frameon=False)
    curve, rows = document["curve"], {r["name"]: r for r in document["requirements"]}
    lists = [point["lists"] for point in curve]
    for name, style, marker in (("coverage", "-", "o"), ("gini", "--", "s")):
        right.plot(lists, [point[name] for point in curve], color=_LINE, ls=style, marker=marker,
                   ms=4, label=_LABELS[name])
        right.axhline(rows[name]["threshold"], color=_FAIL, ls=style, lw=1)
        right.text(lists[0] if lists else 1, rows[name]["threshold"],
                   f" {_LABELS[name]} required: {_bound(rows[name])}", va="bottom", fontsize=8,
                   color=_FAIL)
    right.set(xlabel="number of lists", xscale="log", ylim=(0, 1.02), ylabel="coverage, Gini",
              title=f"Depends on how many lists; judged at {document['lists']}")
    right.legend(loc="best", frameon=False)
    return _png(figure, document)


def model_parity(document: Mapping[str, Any]) -> bytes:
    """Quality and diversity of each group of people with their intervals."""
    figure, axes = _figure(2, height=max(3.6, 0.26 * len(document["groups"]) + 1.6))
    rows = [row for row in document["groups"] if row["quality"] or row["diversity"]]
    names = [f"{row['family']} {row['name']} ({row['people']})" for row in rows]
    thresholds = document["thresholds"]
    for axis, field, title, bound in (
        (axes[0], "quality", "NDCG of the group / of all", thresholds["quality_ratio_min"]),
        (axes[1], "diversity", "Intra-list diversity", thresholds["diversity_min"]),
    ):  # fmt: skip
        for place, row in enumerate(rows):
            found = row[field]
            if found is None:
                axis.text(bound, place, " not known", va="center", fontsize=8, color=_MIDDLE)
            elif found["low"] is not None:
                axis.plot((found["low"], found["high"]), (place, place), color=_DARK, lw=1.5)
                axis.plot(found["value"], place, "o", color=_LINE, ms=5)
        axis.axvline(bound, color=_FAIL, lw=1, ls="--")
        axis.set(yticks=range(len(rows)), yticklabels=names if field == "quality" else [],
                 title=title, xlabel=f"value and 95 % interval; dashed: required {bound:g}")
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.tick_params(axis="y", labelsize=8)
    return _png(figure, document)


def popularity_echo(document: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> bytes:
    """Gini and tail share in windows of equal size, and over retrains."""
    figure, (left, right) = _figure(2)
    windows = document["windows"]
    places = list(range(1, len(windows) + 1))
    for name, style, marker in (("gini", "-", "o"), ("tail_share", ":", "^")):
        left.plot(places, [window[name] for window in windows], color=_LINE, ls=style,
                  marker=marker, ms=4, label=_LABELS[name])
    row = document["requirements"][0]
    if windows:
        start = windows[0]["gini"]
        left.plot(places, [start + row["threshold"] * n for n in range(len(places))], color=_FAIL,
                  lw=1, ls="--", label=f"slope {row['threshold']:g} a window")
    slope = "too few lists" if row["value"] is None else (
        f"slope {row['value']:+.4f}, p {row['rising_p']:.3f}: {row['status']}")
    size = windows[0]["end"] - windows[0]["start"] if windows else 0
    left.set(xlabel=f"window of {size} lists, oldest first", ylabel="share", ylim=(0, 1.02),
             title=f"Logged answers: {slope}")
    _history(right, history)
    if windows:
        left.legend(loc="best", frameon=False)
    return _png(figure, document)


def tail_starvation(document: Mapping[str, Any], tiers: Sequence[Tier]) -> bytes:
    """Amplification of each tier of earlier popularity; films shown on each day."""
    figure, (left, right) = _figure(2)
    values = [tier.amplification or 0.0 for tier in tiers]
    shades = [_DARK, _MIDDLE, _LIGHT, "#e6e6e6"]
    left.bar(range(len(values)), values, color=shades[: len(values)], edgecolor=_DARK)
    for place, value in enumerate(values):
        left.text(place, value, f"{value:.2f}", ha="center", va="bottom", fontsize=9,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8}, zorder=3)
    left.axhline(1.0, color=_FAIL, ls="--", lw=1)
    left.set(xticks=range(len(values)), xticklabels=[tier.name for tier in tiers],
             xlabel="tier by earlier popularity", ylabel="share of lists / share of catalogue",
             title="Amplification (dashed: as large as the tier)")
    days = document["starvation"]["films_a_day"]
    right.plot(range(len(days)), [day["films"] for day in days], color=_LINE, marker="o", ms=4)
    right.axhline(document["catalogue"], color=_MIDDLE, ls="--", lw=1)
    right.text(0, document["catalogue"], " films of the catalogue", va="bottom", fontsize=8)
    step = max(1, len(days) // 6)
    right.set(xticks=range(0, len(days), step), xticklabels=[d["day"] for d in days[::step]],
              ylabel="different films shown", xlabel="day (UTC)",
              ylim=(0, 1.12 * document["catalogue"]),
              title=f"{document['starvation']['index']:.0%} of the films never shown")
    right.tick_params(axis="x", labelsize=8)
    return _png(figure, document)


def rating_spam(document: Mapping[str, Any], counts: Sequence[int]) -> bytes:
    """How many events people have, and where the thresholds lie."""
    figure, (axis,) = _figure(1)
    least, top = min(counts), max([*counts, document["threshold"] * 1.1, 2.0])
    axis.hist(counts, bins=np.geomspace(max(least, 0.5), top, 40).tolist(), color=_LIGHT,
              edgecolor=_DARK)
    flagged = len(document["flagged_users"])
    axis.axvline(document["threshold"], color=_FAIL, ls="--", lw=1.5,
                 label=f"mean + 3 sd: {document['threshold']:.0f} ({flagged} above)")
    robust = document["detectors"]["median_mad"]
    if robust["threshold"] is not None:
        axis.axvline(robust["threshold"], color=_DARK, ls=":", lw=1.5,
                     label=f"median and MAD: {robust['threshold']:.0f} "
                           f"({len(robust['flagged'])} above)")
    axis.set(xscale="log", xlabel="events of a person (logarithmic)", ylabel="people",
             ylim=(0, 1.35 * axis.get_ylim()[1]),
             title=f"{document['total_events']} events of {document['unique_users']} people")
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xticks([t for t in _TICKS if least <= t <= top])
    axis.legend(frameon=False)
    return _png(figure, document)


_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
_LABELS = {"coverage": "coverage", "gini": "Gini, whole catalogue", "tail_share": "tail share"}


def _history(axis: Axes, history: Sequence[Mapping[str, Any]]) -> None:
    for name, style, marker in (("coverage", "-", "o"), ("gini", "--", "s"),
                                ("tail_share", ":", "^")):
        values = [row["requirements"].get(name, [None])[0] for row in history]
        axis.plot(range(1, len(values) + 1), [np.nan if v is None else v for v in values],
                  color=_LINE, ls=style, marker=marker, ms=4, label=_LABELS[name])
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="models published, oldest first", ylim=(0, 1.02), ylabel="share",
             title="Over retrains, at a fixed number of lists")
    if history:
        axis.legend(loc="best", frameon=False)


def _bound(row: Mapping[str, Any]) -> str:
    return f"{'at least' if row['at_least'] else 'at most'} {row['threshold']:g}"


def _figure(columns: int, height: float = 4.0) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(5.2 * columns, height), dpi=_DPI)
    # The foot is for what the picture is about.
    figure.set_layout_engine("constrained", rect=(0, 0.16 / height, 1, 1 - 0.16 / height))
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, columns, place) for place in range(1, columns + 1)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure, document: Mapping[str, Any]) -> bytes:
    about = (f"{document['subject']}, model {document['model_name'] or '?'} "
             f"{document['model_version'] or ''}, {document['generated_at'][:16]}Z")
    figure.text(0.995, 0.008, about, ha="right", va="bottom", fontsize=7, color=_MIDDLE)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
