"""Accuracy of every model on MovieLens, the last film of each user held out, all films ranked.

    python -m benchmarks.accuracy --data FOLDER [--ignore-ratings]

FOLDER holds `ml-1m/sequences.txt` (a line per user, items in the order of time) and
`ml-100k/u.data` (its original layout); either may be missing. It may also be the folder of one
of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from recommender.bundle import ModelBundle, tabulate
from recommender.evaluate import evaluate
from recommender.interactions import Interactions, interactions_from_events
from recommender.metrics import Measured
from recommender.models import MODELS
from recommender.models.popularity import PopularityConfig, fit_popularity
from recommender.schemas import Columns
from recommender.split import leave_last_out

VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in MODELS),
    ("knn", {"neighbours": 50, "half_life": 0}),
    ("transition_knn", {"to_power": 0.25, "from_power": 0.5}),
    ("transition_knn", {"to_power": 0.5, "from_power": 0.5}),
)

PUBLISHED = {
    "ml-1m": (
        ("popularity (other test item)", ".037", ".018", ".058", ".992"),
        ("item KNN cosine, k=50 (other test item)", ".074", ".038", ".170", ".973"),
        ("SASRec (published)", ".239", ".126", "", ""),
        ("gSASRec (published)", ".300", ".173", "", ""),
    ),
    "ml-100k": (
        ("popularity", ".086", ".045", ".054", ""),
        ("item KNN", ".119", ".066", ".293", ""),
        ("Gorse 0.5.11", ".129", ".063", ".337", ".885"),
    ),
}
"""HR@10, NDCG@10, coverage@10, Gini elsewhere. On ML-1M the last item itself is held back in the
known sequences, so figures there are for another item of the same users."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    model: str
    hit_rate: Measured
    ndcg: Measured
    coverage: float
    gini: float
    fit_s: float


def event_frame(users: Any, items: Any, ratings: Any, times_ms: Any) -> pd.DataFrame:
    """Columns of `Columns.EVENT` that the fold reads; NaN ratings are watches."""
    ratings = np.asarray(ratings, np.float64)
    return pd.DataFrame({
        Columns.EVENT_ID: [f"{row:012d}" for row in range(len(ratings))],
        Columns.TYPE: np.where(np.isnan(ratings), "watch", "rate"),
        Columns.USER: pd.Series(users).astype(str),
        Columns.ITEM: pd.Series(items).astype(str),
        Columns.RATING: ratings,
        Columns.TIMESTAMP: np.asarray(times_ms, np.int64),
    })


def read_sequences(path: Path) -> pd.DataFrame:
    """A user per line, items in the order of time."""
    lines = [line.split() for line in path.read_text().splitlines()]
    lengths = [len(line) for line in lines]
    return event_frame(
        np.repeat(np.arange(len(lines)), lengths), np.concatenate(lines),
        np.full(sum(lengths), np.nan), np.concatenate([np.arange(n) for n in lengths]),
    )


def read_u_data(path: Path) -> pd.DataFrame:
    """MovieLens 100K: user, item, rating, seconds, by tabs. Equal times keep the file's order."""
    table = np.loadtxt(path, np.int64, delimiter="\t")
    return event_frame(table[:, 0], table[:, 1], table[:, 2], table[:, 3] * 1000)


Reader = Callable[[Path], pd.DataFrame]
SOURCES: tuple[tuple[str, str, Reader], ...] = (
    ("ml-1m", "sequences.txt", read_sequences), ("ml-100k", "u.data", read_u_data),
)


def find_sources(data: Path) -> list[tuple[str, Path, Reader]]:
    """Name, file and reader of each data set in `data`, or in the folder that it is itself."""
    return [
        (name, path, read)
        for name, file, read in SOURCES
        for path in (data / name / file, data / file)
        if path.is_file()
    ]


def measure(interactions: Interactions) -> Iterator[Row]:
    """Fit and evaluate each variant."""
    split = leave_last_out(interactions)
    tables = tabulate([], interactions.item_ids)
    popularity = fit_popularity(split.training, PopularityConfig())
    for name, overrides in VARIANTS:
        spec = MODELS[name]
        start = time.perf_counter()
        model = spec.fit_with(split.training, overrides)
        fit_s = time.perf_counter() - start
        bundle = ModelBundle(name, tuple(spec.hyperparameters(overrides).items()),
                             interactions.item_ids, model, popularity, tables, 0)
        found = evaluate(bundle, split, interactions)
        changed = ", ".join(f"{field}={value}" for field, value in overrides.items())
        yield Row(f"{name} ({changed})" if changed else name, found.hit_rate, found.ndcg,
                  found.coverage.value, found.gini.value, fit_s)


def _with_interval(measured: Measured) -> str:
    return f"{measured.value:.4f} [{measured.low:.3f}, {measured.high:.3f}]"


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True)
@click.option("--ignore-ratings", is_flag=True, help="Treat every rating as a watch.")
def main(data: Path, ignore_ratings: bool) -> None:
    """Print a table for each data set found."""
    found = find_sources(data)
    if not found:
        click.echo(f"error: {data}: holds neither "
                   + " nor ".join(f"{name}/{file}" for name, file, _ in SOURCES), err=True)
        sys.exit(2)
    for name, path, read in found:
        frame = read(path)
        if ignore_ratings:
            frame[Columns.TYPE], frame[Columns.RATING] = "watch", np.nan
        interactions = interactions_from_events(frame)
        click.echo(f"\n{name}: {interactions.n_users} users, {interactions.n_items} films, "
                   f"{len(interactions.items)} entries; last film of each user held out")
        click.echo("| model | HR@10 [95 %] | NDCG@10 [95 %] | coverage@10 | Gini | fit s |")
        click.echo("|---|---|---|---|---|---|")
        for row in measure(interactions):
            click.echo(f"| {row.model} | {_with_interval(row.hit_rate)} | "
                       f"{_with_interval(row.ndcg)} | {row.coverage:.3f} | {row.gini:.3f} | "
                       f"{row.fit_s:.2f} |")
        for line in PUBLISHED[name]:
            click.echo(f"| {' | '.join(line)} | |")


if __name__ == "__main__":
    main()
