"""Measures of lists: accuracy against one target a list, and how exposure spreads over films.

Ranks are int arrays of shape (n_lists,): the place of the target in the list from 1, 0 when it is
not in the list. Exposures are arrays of shape (n_items,): how often each film was shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommender.arrays import Float64s, Int64s

Counts = npt.NDArray[np.integer] | Sequence[int]


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with its 95 % interval; the interval is None where none is computed."""

    value: float
    low: float | None = None
    high: float | None = None


def hits(ranks: Counts, k: int) -> Float64s:
    """HR@k of each list: 1 if 1 <= rank <= k, else 0; float64 of shape (n_lists,).

    >>> hits([1, 0, 11], k=10).tolist()
    [1.0, 0.0, 0.0]
    """
    places = np.asarray(ranks)
    return ((places >= 1) & (places <= k)).astype(np.float64)


def gains(ranks: Counts, k: int) -> Float64s:
    """NDCG@k of each list for one target: 1 / log2(rank + 1) within the first k, else 0.

    >>> gains([1, 3, 0], k=10).tolist()
    [1.0, 0.5, 0.0]
    """
    places = np.asarray(ranks)
    return np.where(hits(places, k) > 0, 1.0 / np.log2(np.maximum(places, 1) + 1.0), 0.0)


def coverage(exposures: Counts) -> float:
    """|{i: e_i > 0}| / |I|. Grows with the number of lists: compare at equal numbers only.

    >>> coverage([3, 0, 1, 0])
    0.5
    """
    counts = np.asarray(exposures)
    return float((counts > 0).mean()) if len(counts) else 0.0


def gini(exposures: Counts) -> float:
    """2 sum(i x_i) / (n sum x) - (n + 1) / n over ascending x, i from 1; 0 = all alike.

    Over the films given: pass zeros too for the Gini of the whole catalogue.

    >>> gini([2, 2, 2, 2]), gini([0, 0, 0, 8])
    (0.0, 0.75)
    """
    ordered = np.sort(np.asarray(exposures, np.float64))
    n, total = len(ordered), float(ordered.sum())
    if total == 0.0:
        return 0.0
    places = np.arange(1, n + 1)
    return float(2.0 * (places * ordered).sum() / (n * total) - (n + 1) / n)


def exposures_of(items: npt.NDArray[np.integer], n_items: int) -> Int64s:
    """How often each film is in the lists: int64 of shape (n_items,); negative items are none."""
    return np.bincount(items[items >= 0].ravel(), minlength=n_items).astype(np.int64)


def mean_with_interval(values: Float64s, resamples: int = 1_000, seed: int = 0) -> Measured:
    """Mean over users with its percentile bootstrap interval over users (Efron 1979).

    The number of times each distinct value is drawn is multinomial, so resampling those counts
    equals resampling users, and single-target measures have few distinct values.
    """
    if len(values) == 0:
        return Measured(0.0)
    distinct, counts = np.unique(values, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(
        len(values), counts / len(values), size=resamples)
    low, high = np.quantile(draws @ distinct / len(values), (0.025, 0.975))
    return Measured(float(values.mean()), float(low), float(high))
