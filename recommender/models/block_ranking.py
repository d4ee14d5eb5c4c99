"""The compiled kernel of models that read a history through several decays at once.

One block = a decay and, for each film, a row of weights of others, some below zero. Like the
kernel of `recommender.ranking` it is compiled on import and holds no interpreter lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numba as nb
import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.ranking import NO_MASK, NO_SOURCE, SMALLEST_DECAY, Neighbours, Ranked


@dataclass(frozen=True, eq=False)
class Blocks:
    """Rows of all blocks, one after the other.

    decays: float32 of shape (n_blocks,), factor per step of age.
    rows: n_blocks * n_items rows; row block * n_items + film.
    strongest: float32 of shape (n_blocks * n_items,), the largest weight of each row, at least 0.
    """

    decays: Float32s
    rows: Neighbours
    strongest: Float32s

    def __post_init__(self) -> None:
        self.decays.setflags(write=False)
        self.strongest.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()


def blocks_of(decays: Float32s, rows: Neighbours) -> Blocks:
    """Blocks with the largest weight of each row looked up."""
    strongest = np.zeros(len(rows.starts) - 1, np.float32)
    filled = np.flatnonzero(np.diff(rows.starts))
    if len(filled):
        strongest[filled] = np.maximum.reduceat(rows.weights, rows.starts[filled])
    return Blocks(decays, rows, np.maximum(strongest, 0))


_types: Any = nb.types  # numba's types are built at run time, untyped


def _array(dtype: Any) -> Any:
    return _types.Array(dtype, 1, "C", readonly=True)


@nb.njit(nb.int64(nb.float32[::1], _array(nb.float32), _array(nb.boolean), nb.int32[::1],
                  nb.float32[::1]), nogil=True, cache=True)
def _best(scores, factor, allowed, top, best):  # type: ignore[no-untyped-def]
    """Fill `top` and `best` with the highest scores * factor above zero; their number."""
    k, found, threshold = len(top), 0, np.float32(0.0)
    masked = len(allowed) > 0
    for item in range(len(factor)):
        score = scores[item] * factor[item]
        # A later index replaces only a smaller score: ties go to the lower index.
        if not score > threshold:
            continue
        if masked and not allowed[item]:
            continue
        slot = found if found < k else k - 1
        found = min(found + 1, k)
        while slot > 0 and best[slot - 1] < score:
            best[slot] = best[slot - 1]
            top[slot] = top[slot - 1]
            slot -= 1
        best[slot] = score
        top[slot] = item
        if found == k:
            threshold = best[k - 1]
    return found


_SIGNATURE = _types.Tuple((nb.int32[::1], nb.float32[::1], nb.int32[::1]))(
    _array(nb.int32), _array(nb.float32), _array(nb.float32), _array(nb.int64),
    _array(nb.int32), _array(nb.float32), _array(nb.float32), _array(nb.float32),
    _array(nb.int32), _array(nb.boolean), nb.int64,
)


@nb.njit(_SIGNATURE, nogil=True, cache=True)
def _rank(history, weights, decays, starts, items, values, strongest, factor, excluded, allowed, k):  # type: ignore[no-untyped-def]
    n_items, n_blocks, n_history = len(factor), len(decays), len(history)
    scores = np.zeros(n_items, np.float32)
    decayed = np.zeros((n_blocks, n_history), np.float32)
    first = n_history
    for block in range(n_blocks):
        strength = np.float32(1.0)
        for position in range(n_history - 1, -1, -1):
            if strength < SMALLEST_DECAY:
                break
            first = min(first, position)
            weight = weights[position] * strength
            decayed[block, position] = weight
            strength *= decays[block]
            if weight != 0.0:
                row = block * n_items + history[position]
                for place in range(starts[row], starts[row + 1]):
                    # Unsigned: nothing to check for indexes that count from the end.
                    scores[nb.uint32(items[place])] += weight * values[place]
    for place in range(len(excluded)):
        scores[excluded[place]] = 0.0
    top = np.empty(k, np.int32)
    best = np.zeros(k, np.float32)
    found = _best(scores, factor, allowed, top, best)
    slots = scores.view(np.int32)  # place in the list from 1, 0 for films not in it
    slots[:] = 0
    for slot in range(found):
        slots[top[slot]] = slot + 1
    because = np.full(found, NO_SOURCE, np.int32)
    most = np.zeros(found, np.float32)
    parts = np.zeros(found, np.float32)
    least = np.float32(0.0)  # of `most`
    # Newest first, so that most of the older ones are seen to be too weak by their strongest
    # weight; of equal entries the newer explains better.
    for position in range(n_history - 1, first - 1, -1):
        bound = np.float32(0.0)
        for block in range(n_blocks):
            bound += decayed[block, position] * strongest[block * n_items + history[position]]
        if not bound > least:
            continue
        parts[:] = 0.0
        for block in range(n_blocks):
            row = block * n_items + history[position]
            for place in range(starts[row], starts[row + 1]):
                slot = slots[nb.uint32(items[place])] - 1
                if slot >= 0:
                    parts[slot] += decayed[block, position] * values[place]
        for slot in range(found):
            if parts[slot] > most[slot]:
                most[slot] = parts[slot]
                because[slot] = position
        least = most.min()
    return top[:found].copy(), best[:found].copy(), because


def rank_by_blocks(history: Int32s, weights: Float32s, blocks: Blocks, factor: Float32s,
                   excluded: Int32s, k: int, allowed: Bools | None = None) -> Ranked:
    """The k films with the highest sum over blocks and history of weight * decay**age * row.

    Args as those of `recommender.ranking.rank_by_neighbours`.
    """
    k = min(k, len(factor))
    if k < 1:
        return Ranked(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    found = _rank(history, weights, blocks.decays, blocks.rows.starts, blocks.rows.items,
                  blocks.rows.weights, blocks.strongest, factor, excluded,
                  NO_MASK if allowed is None else allowed, k)
    return Ranked(*cast("tuple[Int32s, Float32s, Int32s]", found))
