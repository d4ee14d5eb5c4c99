"""`tune`: search for better settings of a model, on validation alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from commands.outcome import emit, json_option
from commands.progress import Progress, progress_for
from commands.stored_data import stored_interactions
from commands.tuning_file import TuningFile
from recommender.interactions import Interactions
from recommender.models import MODELS
from recommender.models.model import ModelSpec
from recommender.search import (
    SearchMethod,
    Trial,
    best_first,
    fingerprint,
    rungs,
    settings_to_try,
    share_of_users,
)
from recommender.split import Part, SplitName
from recommender.training import evaluate_each
from recommender.types import Movie

SCHEMA_VERSION = 1


def search(
    interactions: Interactions, movies: Sequence[Movie], spec: ModelSpec[Any], split: str,
    method: SearchMethod, count: int, seed: int, least_coverage: float, file: TuningFile,
    progress: Progress,
) -> list[Trial]:  # fmt: skip
    """All trials of the last rung, best first; what the file holds is not done again.

    Raises:
        NothingToTrainOn: too little data.
        InvalidField: the model declares no range.
    """
    settings = settings_to_try(spec, count, seed)
    numbers, plan = list(range(count)), rungs(method, count)
    total, done = sum(rung.count for rung in plan), 0
    trials: list[Trial] = []
    for level, rung in enumerate(plan):
        part = share_of_users(interactions, rung.share, seed)
        trials = []
        for number in numbers[: rung.count]:
            trial = file.find(level, number)
            if trial is None:
                trial = _tried(part, movies, spec, split, level, number, settings[number], file)
            trials.append(trial)
            done += 1
            progress(f"tuning {spec.name}", done, total)
        trials = best_first(trials, least_coverage)
        numbers = [trial.number for trial in trials]
    return trials


def _tried(
    part: Interactions, movies: Sequence[Movie], spec: ModelSpec[Any], split: str, rung: int,
    number: int, overrides: dict[str, float | int], file: TuningFile,
) -> Trial:  # fmt: skip
    (one,) = evaluate_each(
        part, movies, [(spec.name, overrides)], split, lambda text: None, part=Part.VALIDATION,
        clock=time.perf_counter,
    )  # fmt: skip
    found = one.metrics
    trial = Trial(rung, number, overrides, found.ndcg.value, found.coverage.value)
    file.add(trial, {
        "split": one.split.value, "lists": found.n_lists, "fit_s": round(one.fit_s, 3),
        "measures": {name: asdict(value) for name, value in found.measures().items()},
    })  # fmt: skip
    return trial


@click.command("tune")
@click.option("--model", "name", required=True,
              type=click.Choice([n for n, spec in MODELS.items() if spec.search_space()]))
@click.option("--trials", "count", default=30, show_default=True, type=click.IntRange(2, 10_000),
              help="Settings tried; the first are the defaults.")
@click.option("--method", type=click.Choice([m.value for m in SearchMethod]),
              default=SearchMethod.RANDOM.value, show_default=True,
              help="halving tries all on a ninth of the people, the best third on a third, ...")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--split", type=click.Choice([name.value for name in SplitName]),
              help="Default: that of the settings.")
@click.option("--least-coverage", default=0.0, show_default=True, type=click.FloatRange(0, 1),
              help="Settings below this coverage@10 come after all others.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="Result file, gone on with where it exists; default: tuning/<model>.jsonl.")
@json_option
def command(
    name: str, count: int, method: str, seed: int, split: str | None, least_coverage: float,
    out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Search the ranges that a model declares, judged by NDCG@10 on the validation part.

    The test part is never looked at: `compare --part test` does that, once, at the end.
    """
    from composition import open_store
    from settings import Settings

    settings = Settings()
    split, spec = split or settings.split, MODELS[name]
    with closing(open_store(settings)) as side:
        interactions, movies = stored_interactions(side.store), side.catalogue.movies()
    header = {
        "schema_version": SCHEMA_VERSION, "model": name, "method": method, "trials": count,
        "seed": seed, "split": split, "least_coverage": least_coverage,
        "data": fingerprint(interactions),
        "space": {field: asdict(found) for field, found in spec.search_space().items()},
    }  # fmt: skip
    path = out or Path("tuning") / f"{name}.jsonl"
    trials = search(
        interactions, movies, spec, split, SearchMethod(method), count, seed, least_coverage,
        TuningFile(path, header), progress_for(as_json),
    )  # fmt: skip
    document = {"file": str(path), "best": [asdict(trial) for trial in trials[:5]]}
    emit(document, as_json, [*_table(trials[:5]), f"every trial: {path}"])


def _table(trials: Sequence[Trial]) -> list[str]:
    return ["  NDCG@10  coverage@10  settings"] + [
        f"  {trial.ndcg:.4f}   {trial.coverage:.3f}        "
        f"{', '.join(f'{k}={v}' for k, v in trial.overrides.items()) or 'the defaults'}"
        for trial in trials
    ]
