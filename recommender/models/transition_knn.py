"""Item-item neighbours by what came next: directed co-occurrence in the order of time.

How often film b followed film a within a few steps, nearer steps counting more, divided by powers
of both popularities. Knows order, so it beats cosine by far on the next film; a fit is one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numba as nb
import numpy as np
import scipy.sparse as sp

from recommender.arrays import Float32s, Int32s, Int64s
from recommender.interactions import Interactions
from recommender.models.model import ModelSpec, SearchRange, decay_of, hyperparameter
from recommender.models.neighbour_model import NeighbourModel
from recommender.ranking import neighbours_of


@dataclass(frozen=True)
class TransitionKnnConfig:
    """Hyperparameters of the transition model."""

    window: int = hyperparameter(10, least=1, search=SearchRange(4, 40, log=True))
    """Steps after a film within which another counts as following it. Changes results."""
    to_power: float = hyperparameter(0.4, least=0, search=SearchRange(0, 1))
    """Power of the popularity of the following film that divides. More gives wider coverage.
    Changes results."""
    from_power: float = hyperparameter(0.8, least=0, search=SearchRange(0, 1))
    """Power of the popularity of the film followed that divides: common films tell less.
    Changes results."""
    half_life: float = hyperparameter(2.0, least=0, search=SearchRange(1, 10, log=True))
    """Films after which an entry of the history counts half; 0 counts all alike. Changes
    results."""
    neighbours: int = hyperparameter(200, least=1)
    """Following films kept per film. Changes results slightly, size and speed."""


_types: Any = nb.types  # numba's types are built at run time, untyped


def _array(dtype: Any) -> Any:
    return _types.Array(dtype, 1, "C", readonly=True)


@nb.njit(nogil=True, cache=True)
def _select(films, n_films, keep, scores):  # type: ignore[no-untyped-def]
    """Move the `keep` films of highest score to the front (quickselect).

    Of equal scores the lower index is the higher, so no two are equal.
    """
    low, high = 0, n_films - 1
    while low < high:
        pivot = films[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while (scores[films[left]] > scores[pivot]
                   or (scores[films[left]] == scores[pivot] and films[left] < pivot)):
                left += 1
            while (scores[films[right]] < scores[pivot]
                   or (scores[films[right]] == scores[pivot] and films[right] > pivot)):
                right -= 1
            if left <= right:
                films[left], films[right] = films[right], films[left]
                left += 1
                right -= 1
        if keep - 1 <= right:
            high = right
        elif keep - 1 >= left:
            low = left
        else:
            return


_SIGNATURE = _types.Tuple((nb.int64[::1], nb.int32[::1], nb.float32[::1]))(
    _array(nb.int32), _array(nb.int64), _array(nb.float32), _array(nb.float64),
    _array(nb.float64), nb.int64, nb.int64,
)


@nb.njit(_SIGNATURE, nogil=True, cache=True)
def _following(items, offsets, entry_weights, to_factor, from_factor, window, keep):  # type: ignore[no-untyped-def]
    """Rows of the `keep` highest sum(weight/distance) * to_factor, times from_factor.

    The stored weight leaves to_factor out: it multiplies at ranking. Rows come unsorted. Plain
    loops: numpy's sort and partition took 8 s to compile here.
    """
    n_items, n_entries = len(to_factor), len(items)
    counts = np.zeros(n_items + 1, np.int64)
    for place in range(n_entries):
        counts[items[place] + 1] += 1
    room = np.int64(0)
    for item in range(n_items):
        room += min(keep, counts[item + 1] * window)
        counts[item + 1] += counts[item]
    first, fill = counts, counts.copy()
    places = np.empty(n_entries, np.int64)  # entries grouped by film (counting sort)
    ends = np.empty(n_entries, np.int64)  # where the user of each ends
    for user in range(len(offsets) - 1):
        for place in range(offsets[user], offsets[user + 1]):
            slot = fill[items[place]]
            fill[items[place]] += 1
            places[slot] = place
            ends[slot] = offsets[user + 1]
    starts = np.zeros(n_items + 1, np.int64)
    targets = np.empty(room, np.int32)
    weights = np.empty(room, np.float32)
    sums = np.zeros(n_items, np.float64)
    scores = np.zeros(n_items, np.float64)
    touched = np.empty(n_items, np.int32)
    used = np.int64(0)
    for item in range(n_items):
        n_touched = 0
        for slot in range(first[item], first[item + 1]):
            place = places[slot]
            for step in range(1, min(window, ends[slot] - 1 - place) + 1):
                weight = entry_weights[place + step]
                if weight == 0.0:
                    continue
                target = items[place + step]
                if sums[target] == 0.0:
                    touched[n_touched] = target
                    n_touched += 1
                sums[target] += weight / step
        for slot in range(n_touched):
            scores[touched[slot]] = sums[touched[slot]] * to_factor[touched[slot]]
        if n_touched > keep:
            _select(touched, n_touched, keep, scores)
        for slot in range(min(n_touched, keep)):
            targets[used] = touched[slot]
            weights[used] = sums[touched[slot]] * from_factor[item]
            used += 1
        starts[item + 1] = used
        for slot in range(n_touched):
            sums[touched[slot]] = 0.0
    return starts, targets[:used].copy(), weights[:used].copy()


def fit_transition_knn(interactions: Interactions, config: TransitionKnnConfig) -> NeighbourModel:
    """score(b) = n_b^-to sum over a of decay^age n_a^-from sum over (a before b) of 1/distance.

    Where entries are weighted, a pair counts by the weight of the film that follows.

    Measured on ML-1M, the last film of each known sequence held out, all films ranked, 6,040
    lists (python -m benchmarks.accuracy):

        to  from  HR@10  NDCG@10  coverage@10  Gini
        .25 .5    .2934  .1674    .612         .806
        .5  .5    .2839  .1591    .826         .715
        .4  .8    .2907  .1626    .851         .712   <- default: coverage >= .80, Gini <= .72
    Keeping 100 / 200 / 500 / all following films gives NDCG@10 .1578 / .1591 / .1595 / .1590
    (.5, .5), so 200. A window of 6 / 10 / 20 steps gives .1561 / .1591 / .1605 at Gini .706 /
    .715 / .722. Half-lives of 1.5 / 2 / 3 films give .1552 / .1591 / .1602 at coverage .867 /
    .826 / .756.
    """
    counts = np.maximum(interactions.item_counts(), 1).astype(np.float64)
    to_factor = counts**-config.to_power
    rows = _following(interactions.items, interactions.user_offsets,
                      interactions.entry_weights(), to_factor,
                      counts**-config.from_power, config.window, config.neighbours)
    starts, targets, weights = cast("tuple[Int64s, Int32s, Float32s]", rows)
    table = sp.csr_matrix((weights, targets, starts), shape=(len(counts), len(counts)))
    table.sort_indices()
    return NeighbourModel(neighbours_of(table), to_factor.astype(np.float32),
                          decay_of(config.half_life))


TRANSITION_KNN = ModelSpec("transition_knn", TransitionKnnConfig, fit_transition_knn)
