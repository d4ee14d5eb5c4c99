"""Accuracy of the models on MovieLens in four published protocols, next to what others report.

    python -m benchmarks.accuracy --data FOLDER [--part a]... [--model NAME]... [--ignore-ratings]

FOLDER holds `ml-1m` and `ml-100k` in the layouts of `benchmarks.accuracy_data`, or is one of them.
Parts that are missing are named and left out. Where only the files of the test are missing, what
is known is parted once more, and the title says that it is a validation.

a: the last film of each user by time, all films ranked. b: the same, ranked among 99 others.
c: a random split, all films ranked. d: as a, on ML-100K. Seen films are never listed; films are
indexed by a hash of their id, so of equal scores none is favoured. Each model is fitted in a
process of its own.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.accuracy_data import BadLayout, Missing, Task, tasks_of
from benchmarks.accuracy_measure import Row, measure
from benchmarks.accuracy_published import PUBLISHED, VARIANTS
from recommender.interactions import Interactions
from recommender.metrics import Measured


def _with_interval(measured: Measured) -> str:
    return f"{measured.value:.4f} [{measured.low or 0:.3f}, {measured.high or 0:.3f}]"


def title_lines(task: Task) -> Iterator[str]:
    """The title and the head of a task's table."""
    among = f"{task.known.n_items} films" if task.candidates is None else "its 99 others"
    yield (f"\n({task.part}) {task.title}: {len(task.users)} users, each target ranked among "
           f"{among}; fitted on {len(task.known.items)} entries")
    first = "HR" if all(len(target) == 1 for target in task.targets) else "Recall"
    yield (f"| model | {first}@{task.k} [95 %] | NDCG@{task.k} [95 %] | coverage@{task.k} | Gini "
           "| fit s | rank ms | peak MiB | model MiB |")
    yield "|---|---|---|---|---|---|---|---|---|"


def row_line(model: str, row: Row, sampled: bool) -> str:
    """A model's line; exposure among sampled films says nothing and is left out."""
    spread = "| " if sampled else f"{row.coverage:.3f} | {row.gini:.3f}"
    return (f"| {model} | {_with_interval(row.recall)} | {_with_interval(row.ndcg)} | {spread} | "
            f"{row.fit_s:.1f} | {row.rank_ms:.3f} | {row.peak_mib:.0f} | {row.model_mib:.1f} |")


def described(name: str, overrides: dict[str, Any]) -> str:
    """The model's name with what is changed."""
    changed = ", ".join(f"{field}={value}" for field, value in overrides.items())
    return f"{name} ({changed})" if changed else name


def measure_apart(task: Task, name: str, overrides: dict[str, Any]) -> Row:
    """`measure` in a fresh process, so that its peak of memory is that of this model alone."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, task, name, overrides).result()


def without_ratings(interactions: Interactions) -> Interactions:
    """Every rating as a watch."""
    return replace(interactions, ratings=np.full_like(interactions.ratings, np.nan))


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True)
@click.option("--part", "parts", type=click.Choice("abcd"), multiple=True, help="Only these.")
@click.option("--model", "models", multiple=True, help="Only these models.")
@click.option("--ignore-ratings", is_flag=True, help="Treat every rating as a watch.")
def main(data: Path, parts: tuple[str, ...], models: tuple[str, ...],
         ignore_ratings: bool) -> None:
    """Print a table for each part found."""
    try:
        found = [task for task in tasks_of(data) if not parts or task.part in parts]
    except (BadLayout, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    if all(isinstance(task, Missing) for task in found):
        reasons = "; ".join(task.reason for task in found if isinstance(task, Missing))
        click.echo(f"error: {data}: {reasons}", err=True)
        sys.exit(2)
    for task in found:
        if isinstance(task, Missing):
            click.echo(f"\n({task.part}) left out: {task.reason}")
            continue
        if ignore_ratings:
            known = without_ratings(task.known)
            task = replace(task, known=known, histories=without_ratings(task.histories))
        for line in title_lines(task):
            click.echo(line)
        for name, overrides in VARIANTS[task.part]:
            if models and name not in models:
                continue
            row = measure_apart(task, name, overrides)
            click.echo(row_line(described(name, overrides), row, task.candidates is not None))
        for published in PUBLISHED[task.part]:
            click.echo(f"| {' | '.join(published)} | | | | |")


if __name__ == "__main__":
    main()
