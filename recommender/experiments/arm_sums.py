"""What one arm has measured of one metric, as sums over its users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.arrays import Float64s, Int64s


@dataclass(frozen=True, slots=True)
class ArmSums:
    """Sums over the users of an arm, user u with n_u values that sum up to x_u.

    The mean is that of all values; its variance takes users as clusters, for the values of one
    user resemble each other (the delta method for a ratio: Deng, Knoblich, Lu, KDD 2018).
    """

    users: int = 0
    n: float = 0.0
    x: float = 0.0
    nn: float = 0.0
    nx: float = 0.0
    xx: float = 0.0

    @property
    def mean(self) -> float | None:
        """Mean of all values, None when there is none."""
        return self.x / self.n if self.n else None

    @property
    def variance(self) -> float:
        """Variance of the mean; infinite below two users."""
        if self.users < 2:
            return float("inf")
        mean = self.x / self.n
        squares = max(self.xx - 2 * mean * self.nx + mean * mean * self.nn, 0.0)
        return squares / (self.n * self.n) * self.users / (self.users - 1)

    def with_pseudo_users(self, prior_mean: float, prior_sd: float) -> ArmSums:
        """The sums with two users more, one value each, that lie around `prior_mean`.

        A mean of rare ones and zeros has the variance 0 until the first one came; so little is
        not known that well.
        """
        low, high = prior_mean - prior_sd, prior_mean + prior_sd
        return ArmSums(self.users + 2, self.n + 2, self.x + low + high, self.nn + 2,
                       self.nx + low + high, self.xx + low * low + high * high)

    def __add__(self, other: ArmSums) -> ArmSums:
        """Of two sets of users who have nobody in common."""
        return ArmSums(self.users + other.users, self.n + other.n, self.x + other.x,
                       self.nn + other.nn, self.nx + other.nx, self.xx + other.xx)


def arm_sums(users: Int64s, values: Float64s) -> ArmSums:
    """From one value a row.

    Args:
        users: int64 of shape (n_values,), who each value is of, as codes from 0.
        values: float64 of shape (n_values,); NaN rows are left out.
    """
    known = ~np.isnan(values)
    if not known.all():
        users, values = users[known], values[known]
    if not len(users):
        return ArmSums()
    counts = np.bincount(users)
    sums = np.bincount(users, values)[counts > 0]
    n = counts[counts > 0].astype(np.float64)
    return ArmSums(len(n), float(n.sum()), float(sums.sum()), float((n * n).sum()),
                   float((n * sums).sum()), float((sums * sums).sum()))


def of_proportion(successes: int, users: int) -> ArmSums:
    """Of one value of 0 or 1 a user."""
    return ArmSums(users, users, successes, users, successes, successes)
