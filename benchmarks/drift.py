"""How often the drift tests raise a false alarm on stationary data, and what they find.

A population whose users differ in activity, mood, favourite genres and hours. Two windows at a time
are drawn and compared, until all together hold 1M events and there are comparisons enough for an
interval that lies under 5 % when hardly one is a false alarm.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.audit.drift import DriftReport, EventWindow, drift
from recommender.experiments.fixed_horizon import wilson_interval

GENRES, FILMS = 12, 2_000
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to people between two windows."""

    name: str
    rating_shift: float = 0.0
    activity: float = 1.0
    genre_points: float = 0.0
    expected: str = ""


CHANGES = (
    Change("rating mean -0.3", rating_shift=-0.3, expected="ratings"),
    Change("activity doubled", activity=2.0, expected="user_activity"),
    Change("genre mix moved by 10 points", genre_points=0.10, expected="genre_mix"),
)
NONE = Change("nothing")


class Population:
    """`users` people, some of whom come in each window."""

    def __init__(self, users: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.users = users
        self.activity = rng.lognormal(2.0, 0.9, users)
        self.mood = rng.normal(0.0, 0.4, users)
        self.taste = rng.dirichlet(np.linspace(3.0, 0.5, GENRES), users)
        self.hour = rng.normal(20.0, 3.0, users)
        self.genre_of_film = rng.integers(0, GENRES, FILMS)
        self.genres = np.eye(GENRES)[self.genre_of_film]

    def window(self, rng: np.random.Generator, change: Change = NONE) -> EventWindow:
        """The events of one window, half of the people coming."""
        rate = self.activity * (rng.random(self.users) < 0.5) * change.activity
        counts = rng.poisson(rate)
        who = np.repeat(np.arange(self.users), counts)
        n = len(who)
        cumulated = self.taste.cumsum(axis=1)[who]
        genre = (rng.random(n)[:, None] > cumulated).sum(axis=1).clip(0, GENRES - 1)
        if change.genre_points:
            # From the most frequent genre to the least: 10 points of all events.
            frequent = int(np.bincount(genre, minlength=GENRES).argmax())
            share = (genre == frequent).mean()
            moves = (genre == frequent) & (rng.random(n) < change.genre_points / share)
            genre[moves] = GENRES - 1
        films = np.argsort(self.genre_of_film, kind="stable")
        starts = np.searchsorted(self.genre_of_film[films], np.arange(GENRES + 1))
        picked = starts[genre] + (rng.random(n) * (starts[genre + 1] - starts[genre])).astype(int)
        score = 3.5 + self.mood[who] + rng.normal(0.0, 1.0, n) + change.rating_shift
        ratings = np.clip(np.round(score * 2) / 2, 0.5, 5.0)
        ratings[rng.random(n) < 0.3] = np.nan
        hours = (self.hour[who] + rng.normal(0.0, 2.0, n)) % 24
        at_ms = rng.integers(0, 7, n) * _DAY_MS + (hours * 3_600_000).astype(np.int64)
        return EventWindow(who.astype(np.int64), ratings, at_ms, films[picked].astype(np.int64))


def compare(population: Population, seed: int, change: Change = NONE) -> DriftReport:
    """Two windows of one population, the second after the change."""
    rng = np.random.default_rng(seed)
    return drift(population.window(rng), population.window(rng, change), population.genres)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print false alarms and what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000,
                        help="at least, for each size of window")
    parser.add_argument("--comparisons", type=int, default=120, help="at least, for each size")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    print("| people | events a window | comparisons | false alarms | by p-value alone | "
          + " | ".join(change.name for change in CHANGES) + " |")
    print(f"|{'---|' * (5 + len(CHANGES))}")
    for users in (1_000, 5_000, 20_000):
        alarms, significant, sizes = 0, 0, []
        found: Counter[str] = Counter()
        runs = events = 0
        while events < options.events or runs < options.comparisons:
            population = Population(users, options.seed + runs // 10)
            report = compare(population, options.seed + 1_000 * runs)
            runs += 1
            alarms += report.status == "FAIL"
            significant += any(test.p_adjusted < 0.05 for test in report.tests)
            sizes.append(report.current_events)
            events += report.current_events + report.reference_events
        for run in range(20):
            population = Population(users, options.seed + run)
            for change in CHANGES:
                found[change.name] += change.expected in compare(population, run, change).drifted
        low, high = wilson_interval(alarms, runs)
        print(f"| {users:,} | {np.mean(sizes):,.0f} | {runs} | {alarms} [{low:.1%}, {high:.1%}] | "
              f"{significant} | "
              + " | ".join(f"{found[change.name]} of 20" for change in CHANGES) + " |", flush=True)
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
