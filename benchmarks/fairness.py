"""Every requirement of the audit on MovieLens, model by model, with intervals.

ML-100K in its layout, ML-1M by ordered.parquet (order of the ratings, last items held back). Each
model is fitted on all but each user's last film, which is what quality is judged by; exposure and
diversity are those of the lists for the history that is left.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adapters.catalogue_import import read_movies, read_people
from recommender.audit.catalogue_view import view_catalogue
from recommender.audit.documents import requirement_document
from recommender.audit.fairness import FairnessReport
from recommender.audit.model_audit import JudgedQuality, audit_model
from recommender.audit.verdicts import AuditPolicy
from recommender.bundle import tabulate
from recommender.evaluate import evaluate
from recommender.fitting import Fitting
from recommender.interactions import Interactions, interactions_from_events
from recommender.models import MODELS
from recommender.schemas import Columns
from recommender.split import SplitName, split_interactions
from recommender.types import Movie, Person
from recommender.user_groups import user_groups

MODELS_SHOWN = ("popularity", "knn", "transition_knn")
_STEP_MS = 60_000


def ml_100k(folder: Path) -> tuple[Interactions, list[Movie], list[Person]]:
    """u.data, u.item, u.user."""
    table = pd.read_csv(folder / "u.data", sep="\t", names=["user", "item", "rating", "time"])
    return (_interactions(table["user"], table["item"], table["time"] * 1000, table["rating"]),
            read_movies(folder / "u.item")[0], read_people(folder / "u.user")[0])


def ml_1m(folder: Path) -> tuple[Interactions, list[Movie], list[Person]]:
    """ordered.parquet, movies.dat, users.dat; a minute from one film to the next."""
    table = pd.read_parquet(folder / "ordered.parquet")
    return (_interactions(table["userID"], table["movieID"], table["position"] * _STEP_MS, None),
            read_movies(folder / "movies.dat")[0], read_people(folder / "users.dat")[0])


def _interactions(users: Any, items: Any, times: Any, ratings: Any) -> Interactions:
    n = len(users)
    return interactions_from_events(pd.DataFrame({
        Columns.EVENT_ID: [f"e{row:08d}" for row in range(n)],
        Columns.TYPE: "watch" if ratings is None else "rate",
        Columns.USER: users.astype(str), Columns.ITEM: items.astype(str),
        Columns.RATING: np.full(n, np.nan) if ratings is None else ratings.astype(float),
        Columns.TIMESTAMP: times.astype(np.int64),
    }))


def reports(
    interactions: Interactions, movies: list[Movie], people: list[Person],
    models: tuple[str, ...], policy: AuditPolicy,
) -> Iterator[tuple[str, FairnessReport, float]]:  # fmt: skip
    """Name, report, and the seconds of the processor that the audit alone took."""
    whole = interactions.with_items(movie.item_id for movie in movies)
    split = split_interactions(whole, SplitName.LEAVE_LAST_OUT)
    tables = tabulate(movies, whole.item_ids)
    fitting = Fitting(whole, split, movies, tables, lambda text: None, 10)
    view = view_catalogue(interactions, movies, people, 2**60)
    groups = user_groups(split, people, tables.genres, tables.genre_masks)
    for name in models:
        bundle = fitting.bundle(MODELS[name], {}, split.training)
        gains = evaluate(bundle, split, whole).list_gains
        began = time.process_time()
        report = audit_model(bundle, split.training, view, policy, JudgedQuality(gains, groups))
        yield name, report, time.process_time() - began


def main() -> None:
    """Print the table of each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ml-100k and ml-1m")
    parser.add_argument("--set", action="append", choices=sorted(_SETS), dest="sets")
    parser.add_argument("--model", action="append", dest="models")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for name in given.sets or sorted(_SETS):
        data = _SETS[name](given.data / name)
        found = list(reports(*data, tuple(given.models or MODELS_SHOWN), AuditPolicy()))
        if given.json:
            print(json.dumps({name: {model: {
                row.name: requirement_document(row) for row in report.requirements}
                for model, report, _ in found}}))
        else:
            _print(name, found)


def _print(name: str, found: list[tuple[str, FairnessReport, float]]) -> None:
    lists = found[0][1].lists
    print(f"\n{name}: {lists} lists of 10, {found[0][1].catalogue} films")
    print("| requirement | required |" + "".join(f" {model} |" for model, _, _ in found))
    print("|---|---|" + "---|" * len(found))
    for at, row in enumerate(found[0][1].requirements):
        required = "" if row.threshold is None else f"{'>=' if row.at_least else '<='} " \
                                                    f"{row.threshold:g}"
        cells = [_cell(report.requirements[at]) for _, report, _ in found]
        print(f"| {row.name}{' *' if row.target else ''} | {required} | {' | '.join(cells)} |")
    print("| worst served group | |" + "".join(f" {_worst(report)} |" for _, report, _ in found))
    print("| amplification, most popular tenth | |" + "".join(
        f" {report.popularity_tiers[0].amplification:.2f} |" for _, report, _ in found))
    print("| processor seconds of the audit | |" + "".join(f" {s:.1f} |" for _, _, s in found))
    for note in found[0][1].notes:
        print(f"({note})")


def _worst(report: FairnessReport) -> str:
    known = [row for row in report.groups if row.quality is not None]
    row = min(known, key=lambda row: row.quality.value if row.quality else 0.0, default=None)
    return "-" if row is None else f"{row.family} {row.name}, {row.people} people"


def _cell(row: Any) -> str:
    if row.measured is None:
        return f"- {row.status}"
    verdict = "" if row.threshold is None else f" {row.status}"
    return f"{row.measured.value:.3f} [{row.measured.low:.3f}, {row.measured.high:.3f}]{verdict}"


_SETS: dict[str, Callable[[Path], tuple[Interactions, list[Movie], list[Person]]]] = {
    "ml-100k": ml_100k, "ml-1m": ml_1m,
}


if __name__ == "__main__":
    main()
