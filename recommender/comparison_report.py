"""A comparison of models as a JSON document, as Markdown, and as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from recommender.comparison import LEVEL, Compared, Difference
from recommender.metrics import Measured

SCHEMA_VERSION = 1
_HEADINGS = {
    "hit_rate": "HR", "ndcg": "NDCG", "recall": "Recall", "mrr": "MRR", "coverage": "coverage",
    "gini": "Gini", "novelty_bits": "novelty, bits", "intra_list_diversity": "diversity",
}


def as_document(models: Sequence[Compared], pairs: Sequence[Difference],
                about: dict[str, Any]) -> dict[str, Any]:
    """Everything measured, for machines; `about` comes first."""
    return {
        "schema_version": SCHEMA_VERSION,
        **about,
        "level": LEVEL,
        "models": [
            {"name": model.name, "k": model.found.k, "lists": model.found.n_lists,
             "active_items": model.found.active_items, "fit_s": round(model.fit_s, 3),
             "share_from_model": model.found.from_model,
             **{name: _numbers(value) for name, value in model.found.measures().items()}}
            for model in models
        ],
        "differences": [
            {"better": pair.better, "other": pair.other, "ndcg": _numbers(pair.ndcg),
             "p": pair.p, "p_adjusted": pair.p_adjusted, "real": pair.is_real}
            for pair in pairs
        ],
    }


def as_markdown(models: Sequence[Compared], pairs: Sequence[Difference],
                about: dict[str, Any]) -> str:
    """Two tables, best model first."""
    ordered = sorted(models, key=lambda model: -model.found.ndcg.value)
    k = ordered[0].found.k
    said = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in about.items())
    lines = ["# Models compared", "", f"{said}. 95 % intervals over {ordered[0].found.n_lists} "
             "users in brackets.", ""]
    names = list(ordered[0].found.measures())
    headings = [f"{_HEADINGS[name.rsplit('_at_', 1)[0]]}@{k}" for name in names]
    lines += ["| model | " + " | ".join(headings) + " | fit, s |",
              "|---|" + "---|" * (len(headings) + 1)]
    for model in ordered:
        cells = [_with_interval(value) for value in model.found.measures().values()]
        lines.append(f"| {model.name} | {' | '.join(cells)} | {model.fit_s:.2f} |")
    lines += ["", f"## Differences of NDCG@{k}", "",
              f"Paired over users; p of a permutation test, adjusted by Holm for {len(pairs)} "
              f"pairs; real below {LEVEL}.", "",
              "| better | other | difference | p | p adjusted | real |",
              "|---|---|---|---|---|---|"]
    lines += [f"| {pair.better} | {pair.other} | {_with_interval(pair.ndcg)} | {pair.p:.4f} "
              f"| {pair.p_adjusted:.4f} | {'yes' if pair.is_real else 'no'} |" for pair in pairs]
    return "\n".join(lines) + "\n"


def as_picture(models: Sequence[Compared]) -> bytes:
    """A PNG: NDCG against coverage, each with its interval."""
    from matplotlib.figure import Figure  # here: it takes a second to load

    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    markers = "osD^vPX*<>"
    for index, model in enumerate(models):
        across, up = model.found.coverage, model.found.ndcg
        axes.errorbar(
            [across.value], [up.value], xerr=_arms(across), yerr=_arms(up), color="black",
            marker=markers[index % len(markers)], markersize=8, capsize=3, linewidth=0.8,
            markerfacecolor=str(round(0.15 + 0.7 * index / max(len(models) - 1, 1), 2)))
        axes.annotate(model.name, (across.value, up.value), xytext=(8, 6),
                      textcoords="offset points", fontsize=9)
    k = models[0].found.k
    axes.set_xlabel(f"coverage@{k} of the active catalogue, {models[0].found.n_lists} lists")
    axes.set_ylabel(f"NDCG@{k}")
    axes.set_title("Accuracy against coverage, with 95 % intervals over users")
    axes.margins(0.15)
    axes.grid(alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def _arms(measured: Measured) -> list[list[float]] | None:
    if measured.low is None or measured.high is None:
        return None
    return [[max(measured.value - measured.low, 0.0)], [max(measured.high - measured.value, 0.0)]]


def _numbers(measured: Measured) -> dict[str, float | None]:
    return {"value": measured.value, "low": measured.low, "high": measured.high}


def _with_interval(measured: Measured) -> str:
    if measured.low is None or measured.high is None:
        return f"{measured.value:.4f}"
    return f"{measured.value:.4f} [{measured.low:.4f}, {measured.high:.4f}]"
