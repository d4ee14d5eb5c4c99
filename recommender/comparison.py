"""Models side by side on the same users: measures with intervals, and which differences are real.

With m models there are m (m - 1) / 2 differences, and among many some look real by chance. So the
p-values are adjusted by Holm (A simple sequentially rejective multiple test procedure, 1979), which
holds the chance of a single false one at 5 % whatever the differences depend on.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommender.arrays import Float64s
from recommender.evaluate import Evaluation
from recommender.metrics import Measured, paired_difference
from recommender.multiple_tests import holm

PERMUTATIONS = 5_000
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Compared:
    """A model under the name it is shown by, and how it did; all on the same users."""

    name: str
    found: Evaluation
    fit_s: float


@dataclass(frozen=True, slots=True)
class Difference:
    """NDCG@k of `better` less that of `other`, with its paired interval.

    p: of a permutation test on pairs, two-sided. p_adjusted: by Holm over all pairs.
    """

    better: str
    other: str
    ndcg: Measured
    p: float
    p_adjusted: float

    @property
    def is_real(self) -> bool:
        """Whether it would be called real at the 5 % level, all pairs taken together."""
        return self.p_adjusted < LEVEL


def differences(models: Sequence[Compared]) -> list[Difference]:
    """Each pair of models, the better first; smallest p first."""
    found = []
    for one, two in itertools.combinations(models, 2):
        better, other = sorted((one, two), key=lambda model: -model.found.ndcg.value)
        ours, theirs = better.found.list_gains, other.found.list_gains
        found.append((better.name, other.name, paired_difference(ours, theirs),
                      paired_p(ours, theirs)))
    adjusted = holm([p for *_, p in found])
    every = [Difference(*pair, value) for pair, value in zip(found, adjusted, strict=True)]
    return sorted(every, key=lambda difference: difference.p)


def paired_p(ours: Float64s, theirs: Float64s, permutations: int = PERMUTATIONS,
             seed: int = 0) -> float:
    """P-value of a mean difference so far from 0, if which model is which meant nothing.

    For each user the sign of the difference is drawn anew (Fisher's randomisation test). Users
    without a difference say nothing. Never 0: the data themselves are one of the permutations.
    """
    differences_seen = ours - theirs
    differences_seen = differences_seen[differences_seen != 0]
    if not len(differences_seen):
        return 1.0
    random = np.random.default_rng(seed)
    observed = abs(differences_seen.sum()) * (1 - 1e-9)  # equal sums in another order count
    as_far, at_once = 1, 250
    for start in range(0, permutations, at_once):
        rows = min(at_once, permutations - start)
        signs = random.integers(0, 2, (rows, len(differences_seen)), np.int8) * 2.0 - 1.0
        as_far += int((np.abs(signs @ differences_seen) >= observed).sum())
    return as_far / (permutations + 1)
