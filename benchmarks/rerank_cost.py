"""What a chain adds to the time of a whole list, against the same list without rerankers.

    python -m benchmarks.rerank_cost --data FOLDER [--set ml-1m] [--model sequence_blend]
        [--rerank '{"popularity_division": 0.1}'] [--pool 100] [--repeats 5]

Lists of 10 by the function that /recommend calls, with encoded histories, reasons and filling up.
The plain list and those of all chains are made for one user after the other, in an order drawn each
time, so that a busy machine slows all of them alike and none always finds the caches as another
left them; printed is the median over the lists of the least of the
repeats, in microseconds of processor time.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import numpy as np

from benchmarks.frontier import READERS, K
from recommender.arrays import Float64s
from recommender.bundle import ModelBundle, tabulate
from recommender.evaluate import bundle_places, encode_user
from recommender.models import MODELS
from recommender.models.popularity import PopularityConfig, fit_popularity
from recommender.rerank.chain import AS_RANKED, POOL, RerankChain, chain_of
from recommender.rerank.conditions import Conditions
from recommender.serving import EncodedUser, RecommendOptions, recommend_encoded

_OPTIONS = RecommendOptions(k=K)


def spent(bundle: ModelBundle, users: list[EncodedUser], chains: list[RerankChain],
          repeats: int) -> Float64s:
    """Microseconds of processor time, float64 of shape (n_chains, n_users)."""
    conditions = Conditions(1, np.ones(bundle.n_items, np.float64))
    least, random = np.full((len(chains), len(users)), np.inf), np.random.default_rng(0)
    for _ in range(repeats):
        for column, user in enumerate(users):
            for row in random.permutation(len(chains)).tolist():
                begun = time.thread_time_ns()
                recommend_encoded(bundle, user, _OPTIONS, chains[row], conditions)
                took = (time.thread_time_ns() - begun) / 1e3
                least[row, column] = min(least[row, column], took)
    return least


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
              required=True)
@click.option("--set", "name", type=click.Choice(list(READERS)), default="ml-1m")
@click.option("--model", type=click.Choice(sorted(MODELS)), default="sequence_blend")
@click.option("--rerank", "asked", multiple=True,
              default=('{"popularity_division": 0.1}', '{"tail_slots": 0.1}', '{"mmr": 0.1}'),
              help="A chain as a JSON object; may be given several times.")
@click.option("--pool", default=POOL, show_default=True, help="Films that rerankers choose from.")
@click.option("--users", "n_users", default=1_000, show_default=True)
@click.option("--repeats", default=5, show_default=True)
def main(data: Path, name: str, model: str, asked: tuple[str, ...], pool: int, n_users: int,
         repeats: int) -> None:
    """Print a table."""
    whole, movies = READERS[name](data / name)
    bundle = ModelBundle(model, tuple(MODELS[model].hyperparameters({}).items()), whole.item_ids,
                         MODELS[model].fit_with(whole, {}),
                         fit_popularity(whole, PopularityConfig()),
                         tabulate(movies, whole.item_ids), 0)
    places = bundle_places(bundle, whole)
    chosen = np.random.default_rng(0).permutation(whole.n_users)[:n_users].tolist()
    users = [encode_user(bundle, whole, user, places) for user in chosen]
    chains = [AS_RANKED, *(chain_of(json.loads(strengths), pool) for strengths in asked)]
    medians = np.median(spent(bundle, users, chains, repeats), axis=1)
    print(f"{name}, {model}, {len(users)} users, pool {pool}\n\n"
          "| reranked by | us a list | against plain |\n|---|---|---|")
    for chain, median in zip(chains, medians.tolist(), strict=True):
        print(f"| {chain} | {median:.0f} | {median / medians[0]:.2f} |")


if __name__ == "__main__":
    main()
