"""Coverage and Gini index of an arm, a value for every so many lists, so that they can be tested.

Both depend on how many lists were counted, so that arms of unlike size cannot be compared as they
are. Of lists in blocks of one size each block has its own coverage and Gini index, whatever the
number of blocks: their mean is that of rarefaction (Hurlbert 1971), blocks of different users are
independent, and the sequential tests of means hold for them.
"""

from __future__ import annotations

import numpy as np

from recommender.arrays import Float64s, Int64s
from recommender.experiments.arm_sums import ArmSums, arm_sums

BLOCK_USERS = 20
"""Users whose first lists are one block."""


def block_exposures(lists: Int64s, n_films: int,
                    size: int = BLOCK_USERS) -> tuple[Float64s, Float64s]:
    """(coverage, Gini) of each `size` lists in a row; lists left over make no block.

    >>> coverage, gini = block_exposures(np.array([[0], [1], [2], [2]]), 4, size=2)
    >>> coverage.tolist(), gini.tolist()
    ([0.5, 0.25], [0.5, 0.75])

    Args:
        lists: int64 of shape (n, k), film indexes below `n_films`, -1 for none; no list is empty.
        n_films: the whole catalogue, films that nobody was shown count.

    Returns:
        Two float64 of shape (n // size,).
    """
    blocks = len(lists) // size
    if not blocks:
        return np.zeros(0), np.zeros(0)
    shown = lists[: blocks * size].reshape(blocks, -1)
    block, place = np.nonzero(shown >= 0)
    films, counts = np.unique(block * n_films + shown[block, place], return_counts=True)
    of_block = films // n_films
    distinct = np.bincount(of_block, minlength=blocks)
    total = np.bincount(of_block, counts, minlength=blocks)
    # Ascending counts within each block; the films not shown have the first ranks and count 0.
    order = np.lexsort((counts, of_block))
    before = np.repeat(np.cumsum(distinct) - distinct, distinct)
    ranks = n_films - distinct[of_block] + np.arange(len(films)) - before + 1
    weighted = np.bincount(of_block, ranks * counts[order], minlength=blocks)
    return distinct / n_films, 2.0 * weighted / (n_films * total) - (n_films + 1) / n_films


def exposure_sums(first_lists: Int64s, n_films: int) -> tuple[ArmSums, ArmSums]:
    """Sums of coverage and of the Gini index, with blocks in the place of users.

    Args:
        first_lists: int64 of shape (n_users, k), one list a user, in the order they came.
    """
    coverage, gini = block_exposures(first_lists, n_films)
    blocks = np.arange(len(coverage), dtype=np.int64)
    return arm_sums(blocks, coverage), arm_sums(blocks, gini)
