"""Whether a canary rolls back what is worse and nothing else, by simulation through its decisions.

Requests come from new users, each with a list out of a pool; the canary looks after every 100
requests of the candidate, promotes itself through its steps, and ends promoted, rolled back or
after the last request. A/A runs are as long as the longest runs with a regression.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recommender.arrays import Float64s, Int64s
from recommender.experiments.canary import (
    ALPHA,
    STEPS,
    Act,
    decide,
    judged_steps,
    step_after,
)
from recommender.experiments.canary_rows import AnswerRows, FilmTraits, canary_sums
from recommender.experiments.fixed_horizon import wilson_interval

LOOK = 100
FILMS, SHOWN, GENRES, POOL = 300, 10, 12, 2_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is wrong with a candidate, and within how many of its requests that has to be seen."""

    name: str
    slower: float = 1.0
    failing: float = 0.0
    collapsed: bool = False
    narrowed: bool = False
    success: float = 1.0
    success_of_one_group: float = 1.0
    within: int = 20_000
    needed: int = 48


REGRESSIONS = (
    Candidate("answers three times as slow", slower=3.0, within=2_000, needed=50),
    Candidate("5 % of answers fail", failing=0.05, within=2_000, needed=50),
    Candidate("everybody gets the ten most popular", collapsed=True, within=2_000, needed=50),
    Candidate("two thirds of the films outside the head are shown to nobody", narrowed=True),
    Candidate("success -20 % in one of three groups", success_of_one_group=0.8),
    Candidate("success -10 %", success=0.9),
)
SAME = Candidate("no difference", needed=0)


class World:
    """Where requests come from: lists of a pool that leans to popular films."""

    def __init__(self, seed: int, base_success: float) -> None:
        rng = np.random.default_rng(seed)
        weights = -0.6 * np.log(np.arange(1, FILMS + 1))
        self.lists = _drawn(rng, weights)
        genres = rng.random((GENRES, FILMS)) < 0.2
        self.films = FilmTraits(np.arange(FILMS) < FILMS // 10, genres)
        # Every third film of the tail takes the place of its neighbours: head and tail keep theirs.
        kept = self.films.head | (np.arange(FILMS) % 3 == 0)
        self.narrow = _drawn(rng, np.where(
            kept, weights + np.where(self.films.head, 0.0, np.log(3.0)), -np.inf))
        self.base_success = base_success

    def requests(self, rng: np.random.Generator, n: int, of: Candidate) -> AnswerRows:
        """`n` answers to as many users."""
        groups = rng.integers(0, 3, n)
        rate = np.full(n, self.base_success * of.success)
        rate[groups == 1] *= of.success_of_one_group
        failed = rng.random(n) < np.maximum(of.failing, 0.0005)
        success = (rng.random(n) < rate).astype(np.float64)
        success[failed] = np.nan
        lists = (self.narrow if of.narrowed else self.lists)[rng.integers(0, POOL, n)]
        if of.collapsed:
            lists = np.broadcast_to(np.arange(SHOWN, dtype=np.int64), lists.shape)
        lists = np.where(failed[:, None], -1, lists)
        latency = rng.lognormal(np.log(3_000.0), 0.7, n) * of.slower
        return AnswerRows(np.arange(n, dtype=np.int64), failed, latency, success, groups, lists)


def _drawn(rng: np.random.Generator, weights: Float64s) -> Int64s:
    """Lists of films without replacement (Gumbel), int64 of shape (POOL, SHOWN)."""
    noise = rng.gumbel(size=(POOL, FILMS)) + weights
    return np.argsort(-noise, axis=1)[:, :SHOWN].astype(np.int64)


@dataclass(frozen=True, slots=True)
class Ended:
    """How one run ended, after how many requests of the candidate, and why."""

    act: Act
    requests: int
    reason: str


def run(world: World, candidate: Candidate, requests: int, seed: int,
        stay_at_first_step: bool = False) -> Ended:
    """One canary from its first step to its end or its last request."""
    rng = np.random.default_rng(seed)
    percentage: float | None = STEPS[0]
    stable, tested = {}, {}
    done = 0
    while done < requests and percentage is not None and percentage < 100.0:
        for sums, of, n in ((tested, candidate, LOOK),
                            (stable, SAME, round(LOOK * (100 - percentage) / percentage))):
            for name, more in canary_sums(world.requests(rng, n, of), world.films).items():
                sums[name] = sums[name] + more if name in sums else more
        done += LOOK
        decision = decide(stable, tested, judged_steps(STEPS), ALPHA)
        if decision.act is Act.ROLL_BACK:
            return Ended(decision.act, done, decision.reason)
        if decision.act is Act.PROMOTE and not stay_at_first_step:
            percentage, stable, tested = step_after(percentage), {}, {}
    return Ended(Act.HOLD if percentage and percentage < 100.0 else Act.PROMOTE, done, "")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print how the runs ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="runs with each regression")
    parser.add_argument("--same", type=int, default=1_000, help="runs without")
    parser.add_argument("--base-success", type=float, default=0.30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    world = World(options.seed, options.base_success)
    print("| candidate | rolled back | within | requests until then: median, most | promoted |")
    print("|---|---|---|---|---|")
    for candidate in REGRESSIONS:
        _print(candidate, [run(world, candidate, candidate.within, options.seed + i)
                           for i in range(options.runs)])
    longest = max(candidate.within for candidate in REGRESSIONS)
    for stays in (False, True):
        named = replace(SAME, within=longest, name=SAME.name + (
            ", kept at 5 % all the time" if stays else ", promoted when safe"))
        _print(named, [run(world, named, longest, options.seed + 10_000 + i, stays)
                       for i in range(options.same if not stays else options.same // 10)])
    print(f"\n{time.monotonic() - began:.0f} s")


def _print(candidate: Candidate, runs: Sequence[Ended]) -> None:
    back = [ended.requests for ended in runs if ended.act is Act.ROLL_BACK]
    promoted = sum(ended.act is Act.PROMOTE for ended in runs)
    share = f"{len(back)} of {len(runs)}"
    if candidate.needed == 0:
        low, high = wilson_interval(len(back), len(runs))
        share += f" [{low:.1%}, {high:.1%}]"
    times = f"{np.median(back):.0f}, {max(back)}" if back else ""
    print(f"| {candidate.name} | {share} | {candidate.within:,} | {times} | {promoted} |",
          flush=True)


if __name__ == "__main__":
    main()
