"""How often quality parity fails a group: by chance alone, and where one is served worse.

    python -m benchmarks.group_parity [--runs 300]

NDCG of people who are all alike: a third find their film, at an even place of ten; one group, in
the second table, finds it less often. Judged at a ratio of exactly 1, where chance alone errs most,
and at the .90 that is required. Beside the verdict that counts is the one by each group's own
interval.
"""

from __future__ import annotations

import click
import numpy as np

from recommender.arrays import Float64s
from recommender.audit.groups import Group
from recommender.audit.parity import group_results
from recommender.audit.verdicts import AuditStatus, by_interval

HIT_RATE = 1 / 3
SIZES = (40, 80, 160, 320)
"""People of the groups of a family, again and again; each person is in one group a family."""
FAMILIES = 4
LEAST = 30


def gains_of(people: int, random: np.random.Generator) -> Float64s:
    """NDCG@10 of one list each, float64 of shape (people,)."""
    found = 1.0 / np.log2(random.integers(2, 12, people))
    return np.where(random.random(people) < HIT_RATE, found, 0.0)


def groups_of(people: int, random: np.random.Generator) -> list[Group]:
    """Each family parts everybody anew."""
    found = []
    for family in range(FAMILIES):
        order, start, number = random.permutation(people), 0, 0
        while start < people:
            members = np.zeros(people, np.bool_)
            members[order[start:start + SIZES[number % len(SIZES)]]] = True
            found.append(Group(f"family {family}", f"group {number}", members))
            start, number = start + SIZES[number % len(SIZES)], number + 1
    return found


def failed(people: int, ratio_min: float, worse: float, seed: int) -> tuple[bool, bool, bool]:
    """Whether any group fails, any would by its own interval, and the one that is worse fails.

    Args:
        worse: share of their hits that 320 people lose, the last whole group of that size.
    """
    random = np.random.default_rng(seed)
    groups, gains = groups_of(people, random), gains_of(people, random)
    harmed = [group for group in groups if group.members.sum() == SIZES[-1]][-1]
    gains[harmed.members & (random.random(people) < worse)] = 0.0
    rows = group_results(groups, np.full(people, np.nan), gains, LEAST, ratio_min)
    fails = [row.status is AuditStatus.FAIL for row in rows]
    alone = [row.quality is not None and by_interval(row.quality, ratio_min, at_least=True)
             is AuditStatus.FAIL for row in rows]
    own = next(fail for fail, row in zip(fails, rows, strict=True)
               if (row.family, row.name) == (harmed.family, harmed.name))
    return any(fails), any(alone), own


@click.command()
@click.option("--runs", default=300, show_default=True)
@click.option("--people", default=1_200, show_default=True)
def main(runs: int, people: int) -> None:
    """Print a table."""
    print(f"{runs} runs, {people} people, "
          f"{len(groups_of(people, np.random.default_rng(0)))} groups\n\n"
          "| served worse | judged at | any group fails | by intervals alone | that group fails |\n"
          "|---|---|---|---|---|")
    for worse, ratio_min in ((0.0, 1.0), (0.0, 0.9), (0.4, 0.9), (0.6, 0.9)):
        rates = np.mean([failed(people, ratio_min, worse, seed) for seed in range(runs)], axis=0)
        told = f"320 people, {worse:.0%} of their hits lost" if worse else "nobody"
        print(f"| {told} | {ratio_min:g} | {rates[0]:.1%} | {rates[1]:.1%} | "
              f"{f'{rates[2]:.1%}' if worse else ''} |", flush=True)


if __name__ == "__main__":
    main()
