"""What the options of training are worth: each alone, against none, on validation.

    python -m benchmarks.weighting --data FOLDER [--model NAME ...] [--set NAME]

FOLDER holds ml-100k (its original layout) or ml-1m (see benchmarks/evaluation_data.py); options
that read times are measured where the times are real. Differences are paired over users, with 95
% intervals.
"""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.evaluation_data import NAMES, DataSet, data_sets
from recommender.metrics import paired_difference
from recommender.split import Part, SplitName
from recommender.training import EvaluatedModel, evaluate_each
from recommender.weighting import UNWEIGHTED, Weighting

TIMED = (
    Weighting(time_half_life_days=60), Weighting(time_half_life_days=15), Weighting(time_strata=5),
    Weighting(time_strata=20), Weighting(account_half_life_days=0.02),
    Weighting(account_half_life_days=1),
)
UNTIMED = (
    Weighting(rare_balance=0.1), Weighting(rare_balance=0.3), Weighting(rare_balance=1.0),
    Weighting(propensity_power=0.25), Weighting(propensity_power=0.5),
)


def measured(data: DataSet, model: str, split: SplitName, weighting: Weighting) -> EvaluatedModel:
    """The model on the validation part, its entries so weighted."""
    (found,) = evaluate_each(data.interactions, data.movies, [(model, {})], split,
                             lambda text: None, part=Part.VALIDATION, weighting=weighting)
    return found


def described(weighting: Weighting) -> str:
    """The options in force."""
    found = [f"{name} {value:g}" for name, value in vars(weighting).items() if value]
    return ", ".join(found) or "none"


def table(data: DataSet, model: str, split: SplitName) -> None:
    """Print one table."""
    base = measured(data, model, split, UNWEIGHTED)
    print(f"\n{data.name}, {model}, {base.split.value} validation, {base.metrics.n_lists} users\n")
    print("| option | NDCG@10 | difference [95 %] | coverage@10 | Gini |")
    print("|---|---|---|---|---|")
    options = (*UNTIMED, *TIMED) if data.has_times else UNTIMED
    for weighting in (UNWEIGHTED, *options):
        found = base if weighting.is_off() else measured(data, model, split, weighting)
        change = paired_difference(found.metrics.list_gains, base.metrics.list_gains)
        interval = "" if weighting.is_off() else (
            f"{change.value:+.4f} [{change.low:+.4f}, {change.high:+.4f}]")
        print(f"| {described(weighting)} | {found.metrics.ndcg.value:.4f} | {interval} "
              f"| {found.metrics.coverage.value:.3f} | {found.metrics.gini.value:.3f} |",
              flush=True)


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True)
@click.option("--model", "models", multiple=True,
              default=("knn", "transition_knn", "sequence_blend"),
              show_default=True)
@click.option("--set", "chosen", type=click.Choice(NAMES), help="Default: every data set found.")
def main(data: Path, models: tuple[str, ...], chosen: str | None) -> None:
    """Print a table for each data set, split and model."""
    for one in data_sets(data):
        if chosen not in (None, one.name):
            continue
        splits = [SplitName.LEAVE_LAST_OUT, *([SplitName.TEMPORAL] if one.has_times else [])]
        for split in splits:
            for model in models:
                table(one, model, split)


if __name__ == "__main__":
    main()
