"""How good the lists are for people of whom little is known, and for films that nobody took.

    python -m benchmarks.cold_start --data FOLDER [--model NAME[:FIELD=NUMBER,...] ...] [--set NAME]

People: a tenth of the users is kept from training; of each the first 0, 1, 3 or 5 films are told,
and the next is to be foreseen. The same users in every row, and the way that /recommend takes,
filling included; someone of whom nothing is told gets what everybody new gets.
Films: every entry of a twentieth of the films is kept from training. Asked is for the next film
of those whose last one is among them, on lists of all films; where the model places no new film,
it can't be found.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.evaluation_data import NAMES, DataSet, data_sets
from commands.stored_data import requested
from recommender.bundle import ModelBundle, tabulate
from recommender.evaluate import Evaluation, evaluate
from recommender.fitting import Fitting
from recommender.interactions import Interactions
from recommender.models import MODELS
from recommender.split import Later, Part, Split, SplitName, by_user, held_out

KNOWN = (0, 1, 3, 5)
NEW_SHARE = 0.05


def of_enough(whole: Interactions) -> Interactions:
    """What people took who have a film to foresee however many are told; others are left out."""
    lengths = np.diff(whole.user_offsets)
    return whole.select(np.repeat(lengths > max(KNOWN), lengths))


def without_new_films(whole: Interactions, seed: int = 0) -> Split:
    """Films drawn to be new: none of their entries is trained on or told; they are the targets."""
    split = held_out(whole, SplitName.LEAVE_LAST_OUT, Part.TEST)
    able = np.flatnonzero(whole.item_counts() >= 1)
    n = round(NEW_SHARE * len(able))
    new = np.zeros(whole.n_items, np.bool_)
    new[np.random.default_rng(seed).choice(able, n, replace=False)] = True
    training = split.training.select(~new[split.training.items])
    asked = new[split.targets] & (np.diff(training.user_offsets)[split.users] > 0)
    targets = split.targets[asked]
    return replace(split, training=training, histories=training, users=split.users[asked],
                   targets=targets, later=Later(np.arange(len(targets) + 1), targets))


def fitted(data: DataSet, whole: Interactions, split: Split, model: str) -> ModelBundle:
    """The model of that name and hyperparameters, fitted on the training part, quietly."""
    name, overrides = requested(model)
    fitting = Fitting(whole, split, data.movies, tabulate(data.movies, whole.item_ids),
                      lambda text: None, 10)
    return fitting.bundle(MODELS[name], overrides, split.training)


def row(name: str, found: Evaluation, *more: Any) -> None:
    """Print a line of a table."""
    hit, ndcg = found.hit_rate, found.ndcg
    print(f"| {name} | {' | '.join(map(str, more))} | {hit.value:.3f} [{hit.low:.3f}, "
          f"{hit.high:.3f}] | {ndcg.value:.4f} [{ndcg.low:.4f}, {ndcg.high:.4f}] "
          f"| {found.coverage.value:.3f} | {found.from_model:.2f} |", flush=True)


def people(data: DataSet, models: tuple[str, ...]) -> None:
    """The table of users with few events."""
    whole = of_enough(data.interactions.with_items(movie.item_id for movie in data.movies))
    split = by_user(whole)
    print(f"\n{data.name}: {len(split.users)} people never seen\n")
    print("| model | films told | HR@10 [95 %] | NDCG@10 [95 %] | coverage@10 | from the model |")
    print("|---|---|---|---|---|---|")
    for name in models:
        bundle = fitted(data, whole, split, name)
        for known in KNOWN:
            row(name, evaluate(bundle, by_user(whole, known=known), whole), known)


def films(data: DataSet, models: tuple[str, ...]) -> None:
    """The table of films without events."""
    whole = data.interactions.with_items(movie.item_id for movie in data.movies)
    split = without_new_films(whole)
    chance = 10 / np.count_nonzero(whole.item_counts())
    print(f"\n{data.name}: {len(split.users)} people whose next film nobody took before; "
          f"by chance HR@10 would be {chance:.4f}\n")
    print("| model | new films shown | HR@10 [95 %] | NDCG@10 [95 %] | coverage@10 "
          "| from the model |")
    print("|---|---|---|---|---|---|")
    active = np.flatnonzero(whole.item_counts() > 0)
    is_new = (split.training.item_counts() == 0)[active]
    for name in models:
        bundle = fitted(data, whole, split, name)
        found = evaluate(bundle, split, whole)
        shown = np.unique(found.shown[found.shown >= 0])
        row(name, found, f"{is_new[shown].sum()} of {is_new.sum()}")


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True)
@click.option("--model", "models", multiple=True,
              default=("popularity", "knn", "transition_knn", "sequence_blend"),
              show_default=True)
@click.option("--set", "chosen", type=click.Choice(NAMES), help="Default: every data set found.")
def main(data: Path, models: tuple[str, ...], chosen: str | None) -> None:
    """Print both tables for each data set."""
    for one in data_sets(data):
        if chosen in (None, one.name):
            people(one, models)
            films(one, models)


if __name__ == "__main__":
    main()
