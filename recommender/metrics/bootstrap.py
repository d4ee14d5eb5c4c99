"""Intervals over users, by drawing users anew (Efron, Annals of Statistics 1979).

Users are what is drawn at random, so they are what is resampled: never lists, places or films.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recommender.arrays import Float64s, Int64s

RESAMPLES = 1_000
EXPOSURE_RESAMPLES = 200
"""Of measures of all lists together, where each resample costs a pass over them."""
_LEVELS = (0.025, 0.975)
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its 95 % interval; the interval is None where none is computed."""

    value: float
    low: float | None = None
    high: float | None = None


def mean_with_interval(values: Float64s, resamples: int = RESAMPLES, seed: int = 0) -> Measured:
    """Mean over users with its percentile bootstrap interval.

    The number of times each distinct value is drawn is multinomial, so resampling those counts
    equals resampling users, and single-target measures have few distinct values.
    """
    if len(values) == 0:
        return Measured(0.0)
    distinct, counts = np.unique(values, return_counts=True)
    means = np.concatenate([
        draws @ distinct for draws in _draws(counts / len(values), len(values), resamples, seed)])
    low, high = np.quantile(means / len(values), _LEVELS)
    return Measured(float(values.mean()), float(low), float(high))


def paired_difference(ours: Float64s, theirs: Float64s, resamples: int = RESAMPLES,
                      seed: int = 0) -> Measured:
    """Mean of ours - theirs over the same users, with its interval.

    A user who is hard for both weighs nothing, so the interval is far narrower than that of two
    means looked at apart.
    """
    return mean_with_interval(np.asarray(ours, np.float64) - theirs, resamples, seed)


def ratios_below(
    values: Float64s, groups: npt.NDArray[np.bool_], threshold: float,
    resamples: int = RESAMPLES, seed: int = 0,
) -> tuple[list[Measured], list[float]]:
    """For each group mean of its users / mean of all users, 0 where that is not above 0; and how
    likely chance alone puts it below `threshold`.

    Both means are of the same resample, since the group is part of all; so are those of all
    groups, which makes many groups as cheap as one. The p-values are one-sided: the share of
    resamples that are not below, the sample itself counted as one of them (Davison and Hinkley
    1997, 4.2); 1 where nothing can be said.

    Args:
        groups: bool of shape (n_groups, n_users).
    """
    if len(values) == 0 or values.sum() <= 0:
        return [Measured(0.0)] * len(groups), [1.0] * len(groups)
    members = groups.T.astype(np.float64)
    sums = members * values[:, None]
    shares = np.full(len(values), 1.0 / len(values))
    found = []
    for draws in _draws(shares, len(values), resamples, seed):
        weights = draws.astype(np.float64)
        in_group, overall = weights @ members, (weights @ values / len(values))[:, None]
        means = np.divide(weights @ sums, in_group, out=np.zeros_like(in_group),
                          where=in_group > 0)
        found.append(np.divide(means, overall, out=np.zeros_like(means), where=overall > 0))
    drawn = np.concatenate(found)
    low, high = np.quantile(drawn, _LEVELS, axis=0)
    p_values = (1.0 + (drawn >= threshold).sum(axis=0)) / (1.0 + len(drawn))
    overall_mean = values.mean()
    return [
        Measured(float(values[group].mean() / overall_mean), float(low[n]), float(high[n]))
        if group.any() else Measured(0.0) for n, group in enumerate(groups)
    ], np.where(groups.sum(axis=1) > 0, p_values, 1.0).tolist()


def exposure_interval(
    shown: npt.NDArray[np.integer], n_items: int, measure: Callable[[Int64s], float],
    resamples: int = EXPOSURE_RESAMPLES, seed: int = 0,
) -> Measured:
    """A measure of how exposure spreads, with its interval over users.

    Drawn with replacement, only about 63 % of the lists are different ones, so fewer films are
    shown and the resamples lie off the value itself. Their spread is right, their place is not:
    they are moved so that their mean is the value. For 40 lists these intervals hold the true
    value about nine times in ten (tests/test_bootstrap.py).

    Args:
        shown: int of shape (n_lists, k), film indexes; negative is none.
        n_items: films that count, shown or not.
        measure: of exposures, int64 of shape (n_items,).
    """
    incidence = _incidence(shown, n_items)
    value = measure(_exposures(incidence))
    if not len(shown):
        return Measured(value)
    drawn = [measure(counts) for counts in _resampled(incidence, resamples, seed)]
    return _around(value, np.array(drawn))


def paired_exposure_difference(
    ours: npt.NDArray[np.integer], theirs: npt.NDArray[np.integer], n_items: int,
    measure: Callable[[Int64s], float], resamples: int = EXPOSURE_RESAMPLES, seed: int = 0,
) -> Measured:
    """`measure` of our lists less that of theirs, for the same users in the same order."""
    both = [_incidence(shown, n_items) for shown in (ours, theirs)]
    value = measure(_exposures(both[0])) - measure(_exposures(both[1]))
    if not len(ours):
        return Measured(value)
    pairs = zip(*(_resampled(part, resamples, seed) for part in both), strict=True)
    return _around(value, np.array([measure(a) - measure(b) for a, b in pairs]))


def _around(value: float, drawn: Float64s) -> Measured:
    low, high = np.quantile(drawn - drawn.mean(), _LEVELS)
    return Measured(value, value + float(low), value + float(high))


def _draws(shares: Float64s, n: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """How often each is drawn, a row a resample; in portions, so that memory stays small."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, _AT_ONCE):
        yield random.multinomial(n, shares, size=min(_AT_ONCE, resamples - start))


def _incidence(shown: npt.NDArray[np.integer], n_items: int) -> sp.csr_matrix:
    """Lists by films: sparse of shape (n_lists, n_items), how often each list shows each film."""
    rows, places = np.nonzero(shown >= 0)
    ones = np.ones(len(rows), np.int64)
    return sp.csr_matrix((ones, (rows, shown[rows, places])), shape=(len(shown), n_items))


def _exposures(incidence: sp.csr_matrix) -> Int64s:
    return np.asarray(incidence.sum(axis=0), np.int64).ravel()


def _resampled(incidence: sp.csr_matrix, resamples: int, seed: int) -> Iterator[Int64s]:
    n = incidence.shape[0]
    transposed = incidence.T.tocsr()
    for draws in _draws(np.full(n, 1.0 / n), n, resamples, seed):
        yield from np.asarray(transposed @ draws.T, np.int64).T
