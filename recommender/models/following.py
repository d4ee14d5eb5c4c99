"""Which films come after a film, how near: sums over its followers, one film at a time.

Time is linear in the entries times the steps looked at; memory in the films times the rows kept.
"""

from __future__ import annotations

from typing import Any, cast

import numba as nb
import numpy as np
import scipy.sparse as sp

from recommender.arrays import Float32s, Float64s, Int32s, Int64s
from recommender.interactions import Interactions

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
    _array(nb.float64), _array(nb.float64), nb.int64,
)


@nb.njit(_SIGNATURE, nogil=True, cache=True)
def _following(items, offsets, entry_weights, to_factor, from_factor, by_step, keep):  # type: ignore[no-untyped-def]
    """Rows of the `keep` highest sum(weight * by_step) * to_factor, times from_factor.

    The stored weight leaves to_factor out: it multiplies at ranking. Rows come unsorted. Plain
    loops: numpy's sort and partition took 8 s to compile here.
    """
    n_items, n_entries = len(to_factor), len(items)
    window = len(by_step) - 1
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
                sums[target] += weight * by_step[step]
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


def following_rows(interactions: Interactions, by_step: Float64s, from_factor: Float64s,
                   to_factor: Float64s, keep: int) -> sp.csr_matrix:
    """Row a, column b: from_factor[a] * sum of by_step[distance] over all places of b after a.

    Each place counts by the weight of its entry.

    Args:
        by_step: float64 of shape (window + 1,), what a follower so many steps later adds; all
            above 0 but [0], which is unused.
        from_factor: float64 of shape (n_items,).
        to_factor: float64 of shape (n_items,): the `keep` followers of the highest sum * to_factor
            stay in a row. It is left out of the values.
    """
    rows = _following(interactions.items, interactions.user_offsets,
                      interactions.entry_weights(), to_factor, from_factor, by_step, keep)
    starts, targets, weights = cast("tuple[Int64s, Int32s, Float32s]", rows)
    table = sp.csr_matrix((weights, targets, starts), shape=(len(to_factor), len(to_factor)))
    table.sort_indices()
    return table
