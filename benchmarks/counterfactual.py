"""How often the 95 % interval of SNIPS covers the truth, where the truth is known.

    python -m benchmarks.counterfactual [--repeats 2000]

Lists are drawn by the rerankers that serve (exploration; reserved tail slots), with the
propensities that they log; each person takes a drawn film with a probability known to the world.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import click
import numpy as np

from recommender.arrays import Float64s
from recommender.audit.counterfactual import snips
from recommender.models.model import EncodedHistory
from recommender.ranking import Neighbours
from recommender.rerank.chain import RerankChain, chain_of
from recommender.rerank.features import features_of
from recommender.rerank.reranker import Situation, shortlist_of
from recommender.rerank.seeds import seed_of
from recommender.rerank.tail_slots import slot_places

FILMS, POOL, K = 200, 60, 10
CASES = (
    ("exploration 0.5", {"exploration": 0.5}, K - 1),
    ("exploration 0.2", {"exploration": 0.2}, K - 1),
    ("tail_slots 0.2, first slot", {"tail_slots": 0.2}, slot_places(K, 2)[0]),
)
Policy = Callable[[Float64s, Float64s], Float64s]
"""From the logging policy's probabilities and worths of all films to the other's probabilities."""


def even(logging: Float64s, _worth: Float64s) -> Float64s:
    """Every film that may be drawn alike."""
    able = (logging > 0).astype(np.float64)
    return able / able.sum()


def tilted(logging: Float64s, worth: Float64s) -> Float64s:
    """The same films, better ones more often."""
    raised = logging * np.exp(4.0 * worth)
    return raised / raised.sum()


POLICIES: tuple[tuple[str, Policy], ...] = (("even", even), ("tilted", tilted))


@dataclass(frozen=True, eq=False)
class PlaceDraws:
    """The exact distribution of one place of one person: float64 of shape (FILMS,)."""

    probabilities: Float64s
    worth: Float64s


def place_draws(chain: RerankChain, place: int, person: int,
                random: np.random.Generator) -> PlaceDraws:
    """The distribution that the chain logs, gathered from many periods of one person."""
    features = features_of(random.permutation(FILMS).astype(np.float32),
                           np.zeros((1, FILMS), np.bool_), Neighbours.empty(FILMS))
    pool = random.permutation(FILMS)[:POOL].astype(np.int32)
    scores = np.sort(random.random(POOL).astype(np.float32))[::-1].copy()
    history = EncodedHistory(np.zeros(0, np.int32), np.zeros(0, np.float32))
    exposures = random.exponential(20.0, FILMS)
    probabilities = np.zeros(FILMS)
    period = 0
    while probabilities.sum() < 1 - 1e-9:
        situation = Situation(features, history, exposures, seed_of(str(person), period))
        listed = chain.apply(shortlist_of(pool, scores), K, situation)
        probabilities[listed.items[place]] = listed.propensities[place]
        period += 1
        if period > 100_000:
            raise RuntimeError("the logged propensities of a place do not add up to 1")
    return PlaceDraws(probabilities, random.beta(1.5, 6.0, FILMS))


def covered(people: list[PlaceDraws], policy: Policy, draws: int, repeats: int,
            random: np.random.Generator) -> tuple[float, float, float]:
    """Share of intervals that hold the truth, bias, and the truth; `draws` a person and repeat."""
    n = len(people)
    logging = np.array([person.probabilities for person in people])
    worth = np.array([person.worth for person in people])
    other = np.array([policy(p.probabilities, p.worth) for p in people])
    truth = float((other * worth).sum(axis=1).mean())
    upto = np.cumsum(logging, axis=1)
    rows = np.repeat(np.arange(n), draws)
    hits, values, judged = 0, [], 0
    for _ in range(repeats):
        films = (upto[rows] <= random.random(n * draws)[:, None]).sum(axis=1).clip(0, FILMS - 1)
        rewards = (random.random(n * draws) < worth[rows, films]).astype(np.float64)
        found = snips(rewards, logging[rows, films], other[rows, films], rows)
        values.append(found.value)
        if found.low is not None and found.high is not None:
            judged += 1
            hits += found.low <= truth <= found.high
    return hits / max(judged, 1), float(np.mean(values)) - truth, truth


@click.command()
@click.option("--repeats", default=2_000, show_default=True)
@click.option("--people", default=200, show_default=True)
@click.option("--draws", default=3, show_default=True, help="Draws a person.")
def main(repeats: int, people: int, draws: int) -> None:
    """Print a line for each chain and policy."""
    random = np.random.default_rng(1)
    print(f"{people} people, {draws} draws each, {repeats} repeats\n\n"
          "| drawn by | other policy | truth | bias | interval covers |\n|---|---|---|---|---|")
    for name, strengths, place in CASES:
        chain = chain_of(strengths, POOL)
        crowd = [place_draws(chain, place, person, random) for person in range(people)]
        for policy_name, policy in POLICIES:
            share, bias, truth = covered(crowd, policy, draws, repeats, random)
            print(f"| {name} | {policy_name} | {truth:.4f} | {bias:+.4f} | {share:.1%} |",
                  flush=True)


if __name__ == "__main__":
    main()
