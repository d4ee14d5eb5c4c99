"""Error rates and power of the tests of experiments, on simulated experiments.

2,000 experiments without effect, looked at after every 500 users; arms of unlike size, rare
successes, users who come back; an effect, to see who finds it; a broken assignment; coverage.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.sequential_errors import Erred, one_user_one_row, users_who_return
from recommender.experiments.assignment import Arm, arm_at, position
from recommender.experiments.coverage import coverage_at_equal_size
from recommender.experiments.fixed_horizon import two_proportions, wilson_interval
from recommender.experiments.power import (
    detectable_effect,
    needed_users,
    needed_users_always_valid,
)
from recommender.experiments.sample_ratio import sample_ratio

LOOK_USERS = 500
LOOKS = 40
BASE = 0.30


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    _no_effect(options.experiments, options.seed)
    _effect(max(options.experiments // 4, 1), options.seed)
    _power()
    _sample_ratio(max(options.experiments // 10, 1), options.seed)
    _coverage(max(options.experiments // 10, 1), options.seed)
    print(f"\n{time.monotonic() - began:.0f} s")


def _no_effect(experiments: int, seed: int) -> None:
    scale = 0.1 * BASE
    rows = [
        ("50/50, success .30", one_user_one_row(
            (BASE, BASE), 0.5, LOOK_USERS, LOOKS, experiments, scale, seed)),
        ("90/10, success .30", one_user_one_row(
            (BASE, BASE), 0.1, LOOK_USERS, LOOKS, experiments, scale, seed + 1)),
        ("50/50, success .01", one_user_one_row(
            (0.01, 0.01), 0.5, LOOK_USERS, LOOKS, experiments, 0.001, seed + 2)),
        ("50/50, looked at every 20 users", one_user_one_row(
            (BASE, BASE), 0.5, 20, 200, experiments, scale, seed + 3)),
        ("50/50, 1,000 users who return", users_who_return(
            BASE, 1_000, LOOKS, experiments, scale, seed + 4)),
    ]
    _table(f"False positives in {experiments} experiments without effect, 5 % allowed",
           ("", "always valid", "z-test at every look", "z-test at the end", "bet on pairs"),
           ((name, *_rates(erred)) for name, erred in rows))


def _effect(experiments: int, seed: int) -> None:
    rows = []
    for effect in (0.015, 0.03, 0.06):
        erred = one_user_one_row((BASE, BASE + effect), 0.5, LOOK_USERS, LOOKS, experiments,
                                 0.1 * BASE, seed + 10)
        rows.append((f"+{effect}", *_rates(erred)))
    _table(f"Differences found within {LOOKS * LOOK_USERS:,} users, base {BASE}",
           ("effect", "always valid", "(z-test at every look)", "z-test at the end",
            "bet on pairs"), rows)


def _power() -> None:
    rows = []
    for base in (0.05, 0.30):
        for relative in (0.02, 0.05, 0.10, 0.20):
            effect = base * relative
            z, valid = needed_users(base, effect), needed_users_always_valid(base, effect)
            rows.append((f"{base}", f"+{relative:.0%}", f"{z:,}", f"{valid:,}",
                         f"{valid / z:.1f}"))
    _table("Users needed in both arms for a power of 80 % at 5 %, 50/50",
           ("base", "effect", "z-test", "always valid, at most", "ratio"), rows)
    _table(f"Least rise over {BASE} that the z-test finds, power 80 %",
           ("users", "50/50", "90/10"),
           [(f"{users:,}", f"{detectable_effect(BASE, users):.4f}",
             f"{detectable_effect(BASE, users, 0.1):.4f}")
            for users in (2_000, 20_000, 200_000)])


def _sample_ratio(experiments: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = sum(
        sample_ratio((20_000 - b, b), (50, 50)).blocks
        for b in rng.binomial(20_000, 0.52, experiments).tolist())
    arms = (Arm("B", 50.0), Arm("A", 50.0))
    false = 0
    for run in range(experiments):
        b = sum(arm_at(position(f"{seed}-{run}", "bench", str(user)), arms) == "B"
                for user in range(2_000))
        false += sample_ratio((2_000 - b, b), (50, 50)).blocks
    _table("Sample-ratio mismatch", ("", "blocked", "of"), [
        ("52/48 in place of 50/50, 20,000 users", str(found), str(experiments)),
        ("the real assignment, 2,000 users", str(false), str(experiments)),
    ])


def _coverage(experiments: int, seed: int) -> None:
    """Lists of one model, 90/10: the z-test on the films covered against the permutation."""
    rng = np.random.default_rng(seed)
    catalogue, users = 400, 600
    weights = 1.0 / np.arange(1, catalogue + 1)
    z_calls = permutation_calls = 0
    for run in range(experiments):
        noise = rng.gumbel(size=(users, catalogue)) + np.log(weights)
        lists = np.argsort(-noise, axis=1)[:, :10].astype(np.int64)
        in_b = rng.random(users) < 0.1
        shown = [len(np.unique(lists[arm])) for arm in (~in_b, in_b)]
        z = two_proportions(shown[0], catalogue, shown[1], catalogue)
        z_calls += z is not None and z.p_value < 0.05
        test = coverage_at_equal_size(lists, in_b, catalogue, permutations=199, seed=run)
        permutation_calls += test is not None and test.p_value < 0.05
    _table(f"Coverage of two arms of one model at 90/10, {experiments} runs", ("", "calls"), [
        ("z-test on films covered", _rate(z_calls, experiments)),
        ("at equal size, users permuted", _rate(permutation_calls, experiments)),
    ])


def _rates(erred: Erred) -> list[str]:
    counts = (erred.always_valid, erred.z_test, erred.z_test_at_end, erred.bet)
    return ["" if count is None or count < 0 else _rate(count, erred.experiments)
            for count in counts]


def _rate(count: int, of: int) -> str:
    low, high = wilson_interval(count, of)
    return f"{count / of:.1%} [{low:.1%}, {high:.1%}]"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
