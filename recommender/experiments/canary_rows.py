"""From the answers of one arm to the sums that a canary is judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.arrays import Bools, Float64s, Int64s
from recommender.experiments.arm_sums import ArmSums, arm_sums
from recommender.experiments.canary_metrics import (
    CONCENTRATION,
    COVERAGE,
    DIVERSITY,
    ERRORS,
    GINI,
    GROUPS,
    LATENCY,
    SUCCESS,
    TAIL,
    success_of,
)
from recommender.experiments.exposure_blocks import exposure_sums
from recommender.metrics.lists import intra_list_diversity


@dataclass(frozen=True, eq=False, slots=True)
class AnswerRows:
    """Answers of one arm, oldest first, each array with one entry an answer.

    users: int64, codes from 0. failed: bool. latency_us: float64. success: float64, 1 or 0, NaN
    while the window to watch is open (and for failed answers). groups: int64, places in `GROUPS`.
    lists: int64 of shape (n, k), film indexes, -1 for none.
    """

    users: Int64s
    failed: Bools
    latency_us: Float64s
    success: Float64s
    groups: Int64s
    lists: Int64s

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, eq=False, slots=True)
class FilmTraits:
    """Of each film: whether it is in the head, frozen before the experiment, and its genres.

    head: bool of shape (n_films,). genres: bool of shape (n_genres, n_films).
    """

    head: Bools
    genres: Bools


def canary_sums(rows: AnswerRows, films: FilmTraits) -> dict[str, ArmSums]:
    """The sums of each metric of `canary_metrics` by its name."""
    answered = ~rows.failed
    listed = rows.lists >= 0
    length = listed.sum(axis=1)
    tail = (listed & ~films.head[rows.lists]).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        tail_share = np.where(length > 0, tail / length, np.nan)
    latency = np.where(answered, np.log(np.maximum(rows.latency_us, 1.0)), np.nan)
    first = _first_lists(rows.users, rows.lists, length)
    coverage, gini = exposure_sums(first, len(films.head))
    sums = {
        ERRORS: arm_sums(rows.users, rows.failed.astype(np.float64)),
        LATENCY: arm_sums(rows.users, latency),
        SUCCESS: arm_sums(rows.users, rows.success),
        TAIL: arm_sums(rows.users, tail_share),
        CONCENTRATION: _concentration(first),
        COVERAGE: coverage,
        GINI: gini,
        DIVERSITY: arm_sums(rows.users, intra_list_diversity(rows.lists, films.genres)),
    }
    for place, group in enumerate(GROUPS):
        of_group = np.where(rows.groups == place, rows.success, np.nan)
        sums[success_of(group)] = arm_sums(rows.users, of_group)
    return sums


def _first_lists(users: Int64s, lists: Int64s, length: Int64s) -> Int64s:
    full = np.flatnonzero(length > 0)
    _, first = np.unique(users[full], return_index=True)
    return lists[full[np.sort(first)]]


def _concentration(first_lists: Int64s) -> ArmSums:
    """The part that two users' first lists have in common, over pairs of users who came in a row.

    Its mean is k times Simpson's index of the exposure (Simpson 1949), which does not depend on
    the number of lists, and the pairs are independent.
    """
    pairs = len(first_lists) // 2
    if not pairs:
        return ArmSums()
    one, other = first_lists[: 2 * pairs : 2], first_lists[1 : 2 * pairs : 2]
    shared = ((one[:, :, None] == other[:, None, :]) & (one[:, :, None] >= 0)).sum(axis=(1, 2))
    longest = np.maximum((one >= 0).sum(axis=1), (other >= 0).sum(axis=1))
    return arm_sums(np.arange(pairs, dtype=np.int64), shared / longest)
