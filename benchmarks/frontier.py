"""What each reranker costs: accuracy against coverage and concentration, by strength.

    python -m benchmarks.frontier --data FOLDER [--set ml-1m] [--model sequence_blend]
        [--rerank '{"popularity_division": 0.1, "mmr": 0.1}'] [--out FILE.json]

FOLDER holds `ml-1m` (ordered.parquet, movies.dat) and `ml-100k` (u.data, u.item, u.genre). The last
known film of each user is held out (validation), all films are ranked, a list of 10 for every user.
Rerankers that look at exposures see those of the lists made before, in the order of the users.
Targets: coverage >= .80 and whole-catalogue Gini <= .72 at a loss of HR@10 of at most 3 % against
the best unmitigated model of those measured. Times are processor time of choosing from the model's
candidates, a list; `benchmarks.rerank_cost` has that of whole lists.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from benchmarks.accuracy_data import event_frame
from recommender.arrays import Int32s
from recommender.audit.exposure import concentration
from recommender.bundle import ModelBundle, tabulate
from recommender.evaluate import bundle_places, encode_user
from recommender.interactions import Interactions, interactions_from_events
from recommender.metrics import (
    Measured,
    coverage,
    exposures_of,
    first_ranks,
    gains,
    gini,
    hits,
    intra_list_diversity,
    mean_with_interval,
    paired_difference,
)
from recommender.models import MODELS
from recommender.models.popularity import PopularityConfig, fit_popularity
from recommender.ranking import Ranked
from recommender.rerank.chain import AS_RANKED, POOL, RerankChain, chain_of
from recommender.rerank.reranker import Situation, shortlist_of
from recommender.rerank.seeds import seed_of
from recommender.serving import EncodedUser
from recommender.split import Split, leave_last_out
from recommender.types import Movie

K = 10
COVERAGE, GINI, LOSS = 0.80, 0.72, 0.03
MODELS_MEASURED: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("sequence_blend", {}),
    ("transition_knn", {}),
    ("transition_knn", {"to_power": 0.25, "from_power": 0.5}),
)
"""The last is the most accurate transition model with little mitigation of its own."""
STRENGTHS: Mapping[str, tuple[float, ...]] = {
    "popularity_division": (0.025, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5),
    "exposure_cap": (0.05, 0.1, 0.2, 0.3, 0.5, 1.0),
    "tail_slots": (0.1, 0.2, 0.3),
    "mmr": (0.1, 0.3, 0.5),
    "mmr_content": (0.3, 0.6),
    "xquad": (0.3, 0.6),
    "calibrated_genres": (0.1, 0.3),
    "exploration": (0.5, 1.0),
}


@dataclass(frozen=True)
class Row:
    """A point of the frontier.

    ndcg_change: paired, against the same model without rerankers. us: microseconds of processor
    time a list of the chain alone.
    """

    model: str
    chain: dict[str, float]
    hit_rate: float
    hit_rate_low: float
    hit_rate_high: float
    ndcg: float
    ndcg_change: Measured
    coverage: float
    gini: float
    tail_share: float
    shown_gini: float
    top_share: float
    diversity: float
    us: float


def read_ml_1m(folder: Path) -> tuple[Interactions, list[Movie]]:
    """The known part of ML-1M in the order of time, and its films."""
    frame = pd.read_parquet(folder / "ordered.parquet")
    events = event_frame(frame["userID"], frame["movieID"], np.full(len(frame), np.nan),
                         frame["position"])
    lines = (folder / "movies.dat").read_text("latin-1").splitlines()
    movies = [Movie(film, title, None, tuple(genres.split("|")))
              for film, title, genres in (line.split("::") for line in lines)]
    return interactions_from_events(events), movies


def read_ml_100k(folder: Path) -> tuple[Interactions, list[Movie]]:
    """ML-100K, its ratings as watches, and its films."""
    table = np.loadtxt(folder / "u.data", np.int64, delimiter="\t")
    events = event_frame(table[:, 0], table[:, 1], np.full(len(table), np.nan),
                         table[:, 3] * 1000)
    genres = [line.split("|")[0] for line in (folder / "u.genre").read_text().split()]
    movies = []
    for line in (folder / "u.item").read_text("latin-1").splitlines():
        film, title, *_, = fields = line.split("|")
        movies.append(Movie(film, title, None, tuple(
            genre for genre, has in zip(genres, fields[5:], strict=False) if has == "1")))
    return interactions_from_events(events), movies


READERS = {"ml-1m": read_ml_1m, "ml-100k": read_ml_100k}


@dataclass(frozen=True, eq=False)
class Ranking:
    """What one model ranked for each user: rerankers start from here."""

    name: str
    bundle: ModelBundle
    split: Split
    users: list[EncodedUser]
    ranked: list[Ranked]
    active: Any


def rank(name: str, overrides: Mapping[str, Any], whole: Interactions, movies: list[Movie],
         pool: int) -> Ranking:
    """Fit on all but the last films, and rank `pool` films for each user."""
    split = leave_last_out(whole)
    spec = MODELS[name]
    part = split.training
    bundle = ModelBundle(name, tuple(spec.hyperparameters(overrides).items()), part.item_ids,
                         spec.fit_with(part, overrides), fit_popularity(part, PopularityConfig()),
                         tabulate(movies, part.item_ids), 0)
    places = bundle_places(bundle, part)
    users = [encode_user(bundle, part, user, places) for user in split.users.tolist()]
    ranked = [bundle.model.rank(user.history, user.seen, pool) for user in users]
    changed = ", ".join(f"{key} {value:g}" for key, value in overrides.items())
    return Ranking(f"{name} ({changed})" if changed else name, bundle, split, users, ranked,
                   whole.item_counts() > 0)


def apply(ranking: Ranking, chain: RerankChain) -> tuple[Any, float]:
    """Lists of all users, int of shape (n_users, K), and microseconds a list of the chain."""
    n_items, ids = ranking.bundle.n_items, ranking.split.training.user_ids
    exposures = np.zeros(n_items, np.float64)
    shown = np.full((len(ranking.users), K), -1, np.int64)
    factor, model = chain.factor(ranking.bundle.features), ranking.bundle.model
    spent = 0.0
    for row, (user, ranked) in enumerate(zip(ranking.users, ranking.ranked, strict=True)):
        if factor is not None:
            ranked = model.rank(user.history, user.seen, chain.candidates(K), factor=factor)
        begun = time.thread_time()
        items: Int32s = ranked.items[:K]
        if chain.stages:
            situation = Situation(ranking.bundle.features, user.history, exposures,
                                  seed_of(ids[int(ranking.split.users[row])], 0))
            items = chain.apply(shortlist_of(ranked.items, ranked.scores), K, situation).items[:K]
        spent += time.thread_time() - begun
        shown[row, :len(items)] = items
        exposures[items] += 1.0
    return shown, spent / len(shown) * 1e6


def point(ranking: Ranking, chain: RerankChain) -> Row:
    """Measure one chain."""
    shown, us = apply(ranking, chain)
    ranks = first_ranks(shown == ranking.split.targets[:, None])
    exposures = exposures_of(shown, ranking.bundle.n_items)[ranking.active]
    spread = concentration(exposures)
    hit_rate = mean_with_interval(hits(ranks, K))
    plain = first_ranks(apply(ranking, AS_RANKED)[0] == ranking.split.targets[:, None])
    change = paired_difference(gains(ranks, K), gains(plain, K))
    diversity = intra_list_diversity(shown, ranking.bundle.catalogue.genre_masks)
    return Row(ranking.name, dict(chain.strengths), hit_rate.value, hit_rate.low or 0.0,
               hit_rate.high or 0.0, float(gains(ranks, K).mean()), change, coverage(exposures),
               gini(exposures), spread.tail_share, spread.gini, spread.top_share,
               float(np.nanmean(diversity)), us)


def chains(pool: int, asked: Sequence[str]) -> Iterator[RerankChain]:
    """None, then those asked for (JSON objects); else each reranker at each strength."""
    yield chain_of({}, pool)
    if asked:
        yield from (chain_of(json.loads(strengths), pool) for strengths in asked)
        return
    for name, strengths in STRENGTHS.items():
        for strength in strengths:
            yield chain_of({name: strength}, pool)


def line(row: Row, best: Row) -> str:
    """A row of the table; the last column tells whether all targets are met."""
    chain = str(chain_of(row.chain))
    loss, change = row.hit_rate / best.hit_rate - 1, row.ndcg_change
    met = row.coverage >= COVERAGE and row.gini <= GINI and loss >= -LOSS
    return (f"| {row.model} | {chain} | {row.hit_rate:.4f} [{row.hit_rate_low:.3f}, "
            f"{row.hit_rate_high:.3f}] | {loss:+.1%} | {row.ndcg:.4f} | "
            f"{change.value:+.4f} [{change.low:+.4f}, {change.high:+.4f}] | {row.coverage:.3f} | "
            f"{row.gini:.3f} | {row.tail_share:.3f} | {row.shown_gini:.3f} | {row.top_share:.3f} | "
            f"{row.diversity:.3f} | {row.us:.0f} | {'yes' if met else ''} |")


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True)
@click.option("--set", "sets", multiple=True, type=click.Choice(list(READERS)),
              help="May be given several times; default: all.")
@click.option("--model", "models", multiple=True,
              type=click.Choice(sorted({name for name, _ in MODELS_MEASURED})),
              help="May be given several times; default: all.")
@click.option("--rerank", "asked", multiple=True,
              help="A chain as a JSON object; may be given several times; default: all in turn.")
@click.option("--pool", default=POOL, show_default=True, help="Films that rerankers choose from.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="All points, JSON.")
def main(data: Path, sets: tuple[str, ...], models: tuple[str, ...], asked: tuple[str, ...],
         pool: int, out: Path | None) -> None:
    """Print a table for each data set."""
    found: dict[str, list[Row]] = {}
    for name in sets or READERS:
        whole, movies = READERS[name](data / name)
        print(f"\n{name}: {whole.n_users} lists, {whole.n_items} films, pool {pool}\n\n"
              "| model | reranked by | HR@10 [95 %] | against best | NDCG@10 | change [95 %] | "
              "coverage | Gini | tail share | shown Gini | top 10 % share | diversity | us | "
              f"meets |\n{'|---' * 14}|", flush=True)
        rankings = [rank(model, overrides, whole, movies, pool)
                    for model, overrides in MODELS_MEASURED if not models or model in models]
        plain = [point(ranking, chain_of({}, pool)) for ranking in rankings]
        best = max(plain, key=lambda row: row.hit_rate)
        rows = found[name] = []
        for ranking in rankings:
            for chain in chains(pool, asked):
                rows.append(point(ranking, chain))
                print(line(rows[-1], best), flush=True)
    if out is not None:
        out.write_text(json.dumps({name: [asdict(row) for row in rows]
                                   for name, rows in found.items()}, indent=1))


if __name__ == "__main__":
    main()
