"""How exposure spreads over films. Exposures are arrays of shape (n_items,): times each was shown.

Coverage and Gini depend on how many lists were counted: compare them at equal numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from recommender.arrays import Float64s, Int64s

Counts = npt.NDArray[np.integer] | Sequence[int]


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


def rarefied_coverage(shown: npt.NDArray[np.integer], n_items: int,
                      sizes: Sequence[int]) -> Float64s:
    """Coverage to be expected of fewer lists, drawn from these without replacement.

    1 - C(n - c_i, size) / C(n, size) averaged over films, where c_i of the n lists show film i
    (Hurlbert, The nonconcept of species diversity, Ecology 1971): exact, no drawing.

    >>> rarefied_coverage(np.array([[0], [1], [1]]), 2, [1, 3]).round(4).tolist()
    [0.5, 1.0]

    Args:
        shown: int of shape (n_lists, k), film indexes, each at most once a list; negative: none.
        n_items: films that count.
        sizes: numbers of lists, none above n_lists.

    Returns:
        float64 of shape (len(sizes),).
    """
    n = len(shown)
    without = (n - exposures_of(shown, n_items)).astype(np.float64)
    found = []
    for size in sizes:
        possible = without >= size
        left = np.where(possible, without, size)
        log_missed = (gammaln(left + 1) - gammaln(left - size + 1)
                      - gammaln(n + 1) + gammaln(n - size + 1))
        found.append(1.0 - np.where(possible, np.exp(log_missed), 0.0).mean())
    return np.array(found)
