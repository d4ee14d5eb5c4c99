"""Sums over all pairs in all histories: what the closed-form sequence model is solved from.

For a history s_1..s_n and a place t the input of a block with decay a is
x_t = sum over j <= t of a^(t-j) e(s_j), and the target is y_t = sum over k > t of f^(k-t-1) e(s_k),
t = 1..n-1. Sums of powers turn X'X and X'Y into sums over pairs (j, k), so X is never built:

    x'x of blocks p, q:  a_p^(m-j) a_q^(m-k) * sum over t = m..n-1 of d_t (a_p a_q)^(t-m),
                         m = max(j, k)
    x'y of block p:      w_k * sum over j <= t < k of a_p^(t-j) f^(k-t-1)

w_k is what entry k counts as a target, and d_t the mean of that over the targets of place t by
their share f^(k-t-1). That minimises the squared error of each target of each place times what
the target counts. Where all entries count alike, w and d are 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba as nb
import numpy as np

from recommender.arrays import Float32s, Float64s, Int32s, Int64s

NEGLIGIBLE = 1e-4
"""Pairs so far apart that they would add less than this are left out."""

_types: Any = nb.types  # numba's types are built at run time, untyped


def _array(dtype: Any) -> Any:
    return _types.Array(dtype, 1, "C", readonly=True)


@nb.njit(nb.float64[::1](_array(nb.float64), _array(nb.int64), nb.float64), nogil=True, cache=True)
def decayed_ahead(values, offsets, decay):  # type: ignore[no-untyped-def]
    """Of each entry the sum of decay^distance * value over it and all later ones of its user."""
    sums = np.zeros(len(values), np.float64)
    for user in range(len(offsets) - 1):
        rest = 0.0
        for place in range(offsets[user + 1] - 1, offsets[user] - 1, -1):
            rest = values[place] + decay * rest
            sums[place] = rest
    return sums


@nb.njit(nb.void(_array(nb.int32), _array(nb.int64), _array(nb.float64), nb.float64, nb.float64,
                 nb.float32[:, ::1], nb.int64), nogil=True, cache=True)
def _add_inputs(items, offsets, counted, decay, other_decay, gram, column):  # type: ignore[no-untyped-def]
    """Add x'x of two blocks to gram[film of the first, column + film of the second].

    Items below 0 are places of films that are left out.
    """
    longest = np.int64(0)
    for user in range(len(offsets) - 1):
        longest = max(longest, offsets[user + 1] - offsets[user])
    rest = np.zeros(longest + 1, np.float64)
    both = decay * other_decay
    for user in range(len(offsets) - 1):
        start, n = offsets[user], offsets[user + 1] - offsets[user]
        if n < 2:
            continue
        rest[n - 1] = 0.0
        for place in range(n - 2, -1, -1):
            rest[place] = counted[start + place] + both * rest[place + 1]
        for j in range(n - 1):
            if items[start + j] < 0:
                continue
            row = gram[items[start + j], column:]
            share = 1.0
            for k in range(j, -1, -1):
                if share < NEGLIGIBLE:
                    break
                if items[start + k] >= 0:
                    row[items[start + k]] += np.float32(share * rest[j])
                share *= other_decay
            share = decay
            for k in range(j + 1, n - 1):
                if share < NEGLIGIBLE:
                    break
                if items[start + k] >= 0:
                    row[items[start + k]] += np.float32(share * rest[k])
                share *= decay


@nb.njit(nb.void(_array(nb.int32), _array(nb.int64), _array(nb.float32), _array(nb.float64),
                 nb.float32[:, ::1]), nogil=True, cache=True)
def _add_targets(items, offsets, entry_weights, by_distance, cross):  # type: ignore[no-untyped-def]
    """Add x'y of one block to cross[film of the input, film of the target]."""
    for user in range(len(offsets) - 1):
        start, end = offsets[user], offsets[user + 1]
        for j in range(start, end - 1):
            if items[j] < 0:
                continue
            row = cross[items[j]]
            for k in range(j + 1, min(end, j + len(by_distance))):
                if items[k] >= 0:
                    row[items[k]] += np.float32(entry_weights[k] * by_distance[k - j])


def target_weights(decay: float, future_decay: float, longest: int) -> Float64s:
    """x'y of one pair by the distance of its films: float64 of shape (reach + 1,), [0] unused."""
    reach: list[float] = [0.0]
    ahead, behind = 0.0, 1.0
    while len(reach) < longest:
        ahead = future_decay * ahead + behind
        behind *= decay
        if ahead < NEGLIGIBLE:
            break
        reach.append(ahead)
    return np.array(reach, np.float64)


def place_weights(entry_weights: Float32s, offsets: Int64s, future_decay: float) -> Float64s:
    """d of each place: float64 of shape (n_entries,), 0 for the last of a user: it has no target.

    Args:
        entry_weights: float32 of shape (n_entries,), what each entry counts as a target.
    """
    has_target = np.ones(len(entry_weights), np.float64)
    has_target[offsets[1:][np.diff(offsets) > 0] - 1] = 0.0
    following = has_target * np.append(entry_weights[1:], 0.0)
    shares: Float64s = decayed_ahead(has_target, offsets, future_decay)
    sums: Float64s = decayed_ahead(following, offsets, future_decay)
    return sums / np.where(shares > 0, shares, 1.0)


def sum_pairs(items: Int32s, offsets: Int64s, entry_weights: Float32s, n_items: int,
              decays: Sequence[float], future_decay: float, threads: int,
              ) -> tuple[Float32s, Float32s]:
    """X'X and X'Y: (blocks * n_items, blocks * n_items) and (blocks * n_items, n_items), float32.

    X'X is symmetric; blocks above the diagonal are left at 0.

    Args:
        items: int32 of shape (n_entries,), film indexes; -1 is a place whose film is left out.
        offsets: int64 of shape (n_users + 1,).
        entry_weights: float32 of shape (n_entries,), what each entry counts as a target.
        n_items: films that are not left out.
        decays: decay of each block, in [0, 1].
        future_decay: decay of the targets.
        threads: the sums of each pair of blocks are a task of their own.
    """
    size = len(decays) * n_items
    gram = np.zeros((size, size), np.float32)
    cross = np.zeros((size, n_items), np.float32)
    longest = int(np.diff(offsets).max(initial=0))
    counted = place_weights(entry_weights, offsets, future_decay)
    tasks: list[Callable[[], None]] = []
    for first, decay in enumerate(decays):
        rows = slice(first * n_items, (first + 1) * n_items)
        for second, other in enumerate(decays[:first + 1]):
            tasks.append(_task(_add_inputs, items, offsets, counted, decay, other,
                               gram[rows], second * n_items))
        by_distance = target_weights(decay, future_decay, longest)
        tasks.append(_task(_add_targets, items, offsets, entry_weights, by_distance, cross[rows]))
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()
    return gram, cross


def _task(kernel: Any, *arguments: Any) -> Callable[[], None]:
    return lambda: kernel(*arguments)
