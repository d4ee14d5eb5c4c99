"""Every requirement of the audit on MovieLens, model by model, with intervals.

ML-100K in its layout, ML-1M by ordered.parquet (order of the ratings, last items held back). Each
model is fitted on all but each user's last film, which is what quality is judged by; exposure and
diversity are those of the lists for the history that is left. With --rerank each model stands
twice in the table: as it ranks, and with those rerankers.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
from recommender.evaluate import Evaluation, evaluate
from recommender.fitting import Fitting
from recommender.interactions import Interactions, interactions_from_events
from recommender.metrics import Measured
from recommender.models import MODELS
from recommender.rerank.chain import AS_RANKED, RerankChain, chain_of
from recommender.schemas import Columns
from recommender.split import SplitName, split_interactions
from recommender.types import Movie, Person
from recommender.user_groups import user_groups

MODELS_SHOWN = ("popularity", "knn", "transition_knn", "sequence_blend")
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


@dataclass(frozen=True, eq=False)
class Audited:
    """A column of the table; seconds: of the processor, that the audit alone took."""

    name: str
    report: FairnessReport
    quality: Evaluation
    seconds: float


def reports(
    interactions: Interactions, movies: list[Movie], people: list[Person],
    models: tuple[str, ...], policy: AuditPolicy, chains: Sequence[RerankChain] = (AS_RANKED,),
) -> Iterator[Audited]:  # fmt: skip
    """Each model under each chain."""
    whole = interactions.with_items(movie.item_id for movie in movies)
    split = split_interactions(whole, SplitName.LEAVE_LAST_OUT)
    tables = tabulate(movies, whole.item_ids)
    fitting = Fitting(whole, split, movies, tables, lambda text: None, 10)
    view = view_catalogue(interactions, movies, people, 2**60)
    groups = user_groups(split, people, tables.genres, tables.genre_masks)
    for name in models:
        bundle = fitting.bundle(MODELS[name], {}, split.training)
        for chain in chains:
            found = evaluate(bundle, split, whole, chain=chain)
            began = time.process_time()
            report = audit_model(bundle, split.training, view, policy,
                                 JudgedQuality(found.list_gains, groups), chain)
            told = f"{name}, {chain}" if chain else name
            yield Audited(told, report, found, time.process_time() - began)


def main() -> None:
    """Print the table of each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ml-100k and ml-1m")
    parser.add_argument("--set", action="append", choices=sorted(_SETS), dest="sets")
    parser.add_argument("--model", action="append", dest="models")
    parser.add_argument("--rerank", type=json.loads, default={},
                        help='strengths of rerankers, such as {"popularity_division": 0.5}')
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for name in given.sets or sorted(_SETS):
        data = _SETS[name](given.data / name)
        found = list(reports(*data, tuple(given.models or MODELS_SHOWN), AuditPolicy(),
                             (AS_RANKED, *filter(None, [chain_of(given.rerank)]))))
        if given.json:
            print(json.dumps({name: {one.name: {
                row.name: requirement_document(row) for row in one.report.requirements}
                for one in found}}))
        else:
            _print(name, found)


def _print(name: str, found: list[Audited]) -> None:
    first = found[0].report
    print(f"\n{name}: {first.lists} lists of 10, {first.catalogue} films")
    _line("requirement", "required", (one.name for one in found))
    print("|---|---|" + "---|" * len(found))
    for measure in ("hit_rate", "ndcg"):
        _line(f"{measure}@10", "", (_interval(getattr(one.quality, measure)) for one in found))
    for at, row in enumerate(first.requirements):
        required = "" if row.threshold is None else f"{'>=' if row.at_least else '<='} " \
                                                    f"{row.threshold:g}"
        _line(f"{row.name}{' *' if row.target else ''}", required,
              (_cell(one.report.requirements[at]) for one in found))
    _line("worst served group", "", (_worst(one.report) for one in found))
    _line("amplification, most popular tenth", "",
          (f"{one.report.popularity_tiers[0].amplification:.2f}" for one in found))
    _line("processor seconds of the audit", "", (f"{one.seconds:.1f}" for one in found))
    for note in first.notes:
        print(f"({note})")


def _line(*cells: str | Iterator[str]) -> None:
    told = [one for cell in cells for one in ([cell] if isinstance(cell, str) else cell)]
    print(f"| {' | '.join(told)} |")


def _worst(report: FairnessReport) -> str:
    known = [row for row in report.groups if row.quality is not None]
    row = min(known, key=lambda row: row.quality.value if row.quality else 0.0, default=None)
    return "-" if row is None else f"{row.family} {row.name}, {row.people} people"


def _cell(row: Any) -> str:
    if row.measured is None:
        return f"- {row.status}"
    verdict = "" if row.threshold is None else f" {row.status}"
    return f"{_interval(row.measured)}{verdict}"


def _interval(measured: Measured) -> str:
    return f"{measured.value:.3f} [{measured.low:.3f}, {measured.high:.3f}]"


_SETS: dict[str, Callable[[Path], tuple[Interactions, list[Movie], list[Person]]]] = {
    "ml-100k": ml_100k, "ml-1m": ml_1m,
}


if __name__ == "__main__":
    main()
