"""Catalogue coverage of two arms, at equal numbers of lists, by permutation of users.

Coverage grows with the number of lists, so arms of unlike size cannot be compared as they are: a
z-test on the films covered calls every A/A experiment at 90/10 a difference. Both arms are drawn
down to one number of users, exactly, by rarefaction (Hurlbert 1971): a film that c of n users
were shown is missing among m of them with probability C(n - c, m) / C(n, m).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import gammaln

from recommender.arrays import Bools, Float64s, Int64s


@dataclass(frozen=True, slots=True)
class CoverageTest:
    """Coverage of both arms at `users` users each, B minus A, and the p-value."""

    users: int
    coverage_a: float
    coverage_b: float
    difference: float
    p_value: float
    permutations: int


def rarefied(counts: Int64s | Float64s, of: int, users: int, catalogue: int) -> float:
    """Expected coverage of `users` users drawn without replacement out of `of`.

    Args:
        counts: shape (n_films,), how many of the users were shown each film.
        catalogue: films that could be shown.

    Raises:
        ValueError: more are drawn than there are.
    """
    if not 0 <= users <= of:
        raise ValueError(f"{users} users cannot be drawn out of {of}")
    rest = of - np.asarray(counts, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_missing = (gammaln(rest + 1) - gammaln(rest - users + 1)
                       - gammaln(of + 1.0) + gammaln(of - users + 1.0))
    missing = np.where(rest >= users, np.exp(log_missing), 0.0)
    return float((1.0 - missing).sum() / catalogue)


def coverage_at_equal_size(lists: Int64s, in_b: Bools, catalogue: int, permutations: int = 500,
                           seed: int = 0) -> CoverageTest | None:
    """Whether B covers more of the catalogue than A; None when an arm has no users.

    Users are what is exchangeable, so a user counts by one list (their first, say), and the
    labels of the users are permuted.

    Args:
        lists: int64 of shape (n_users, k), film indexes below `catalogue`, -1 for none.
        in_b: bool of shape (n_users,).
        catalogue: films that could be shown.
    """
    n_users, n_b = len(in_b), int(in_b.sum())
    m = min(n_b, n_users - n_b)
    if m == 0:
        return None
    rows, columns = np.nonzero(lists >= 0)
    shown = sparse.csr_array(
        (np.ones(len(rows)), (rows, lists[rows, columns])), shape=(n_users, catalogue))
    shown.sum_duplicates()
    shown.data[:] = 1.0
    totals: Float64s = np.asarray(shown.sum(axis=0), np.float64).ravel()

    def of_arms(labels: Bools) -> tuple[float, float]:
        b: Float64s = np.asarray(labels.astype(np.float64) @ shown)
        return (rarefied(totals - b, n_users - n_b, m, catalogue),
                rarefied(b, n_b, m, catalogue))

    a_covers, b_covers = of_arms(in_b)
    observed = b_covers - a_covers
    rng = np.random.default_rng(seed)
    as_far = 0
    for _ in range(permutations):
        a, b = of_arms(rng.permutation(in_b))
        as_far += abs(b - a) >= abs(observed) - 1e-12
    return CoverageTest(m, a_covers, b_covers, observed, (1 + as_far) / (1 + permutations),
                        permutations)
