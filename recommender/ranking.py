"""The compiled kernels that list the best films: of given scores, and of a neighbour model.

Types are fixed, so they are compiled when this module is imported (and kept on disk), never while a
request waits. They hold no interpreter lock while they run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numba as nb
import numpy as np
import scipy.sparse as sp

from recommender.arrays import Bools, Float32s, Int32s, Int64s

NO_MASK: Bools = np.zeros(0, np.bool_)
"""Stands for "every film is allowed"."""
NONE_EXCLUDED: Int32s = np.zeros(0, np.int32)
NO_SOURCE = -1
"""In `Ranked.because`: no entry of the history led to the film."""
SMALLEST_DECAY = 2e-3
"""Entries whose decay is below it are left out: HR and NDCG on ML-1M keep their four digits."""


class Ranked(NamedTuple):
    """A list of films, best first; only scores above zero.

    items: int32 of shape (n,). scores: float32 of shape (n,).
    because: int32 of shape (n,), the position in the history of the entry that contributed most,
        `NO_SOURCE` where the history played no part.
    """

    items: Int32s
    scores: Float32s
    because: Int32s


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each film its neighbours, in compressed rows, each row by ascending film index.

    starts: int64 of shape (n_items + 1,). items: int32 of shape (n_neighbours,).
    weights: float32 of shape (n_neighbours,).
    """

    starts: Int64s
    items: Int32s
    weights: Float32s

    def __post_init__(self) -> None:
        for array in (self.starts, self.items, self.weights):
            array.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    @classmethod
    def empty(cls, n_items: int) -> Neighbours:
        """No film has a neighbour."""
        return cls(np.zeros(n_items + 1, np.int64), np.zeros(0, np.int32),
                   np.zeros(0, np.float32))

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        return bool(np.isfinite(self.weights).all())


def neighbours_of(table: sp.csr_matrix) -> Neighbours:
    """Row i of an (n_items, n_items) matrix with sorted indices = the neighbours of film i."""
    return Neighbours(table.indptr.astype(np.int64), table.indices.astype(np.int32),
                      table.data.astype(np.float32))


_types: Any = nb.types  # numba's types are built at run time, untyped


def _array(dtype: Any) -> Any:
    return _types.Array(dtype, 1, "C", readonly=True)


@nb.njit(nogil=True, cache=True)
def _best(scores, allowed, top, best):  # type: ignore[no-untyped-def]
    """Fill `top` and `best` with the highest scores above zero; returns how many."""
    k, found, threshold = len(top), 0, np.float32(0.0)
    masked = len(allowed) > 0
    for item in range(len(scores)):
        score = scores[item]
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


@nb.njit(_types.Tuple((nb.int32[::1], nb.float32[::1]))(
    _array(nb.float32), _array(nb.int32), _array(nb.boolean), nb.int64), nogil=True, cache=True)
def _top(scores, excluded, allowed, k):  # type: ignore[no-untyped-def]
    left = scores.copy()
    for place in range(len(excluded)):
        left[excluded[place]] = 0.0
    top, best = np.empty(k, np.int32), np.zeros(k, np.float32)
    found = _best(left, allowed, top, best)
    return top[:found].copy(), best[:found].copy()


def top_films(scores: Float32s, excluded: Int32s, k: int,
              allowed: Bools | None = None) -> tuple[Int32s, Float32s]:
    """Up to k films of the highest score above 0, none excluded, and their scores.

    Args:
        scores: float32 of shape (n_items,).
        excluded: int32, film indexes.
        allowed: bool of shape (n_items,); None allows every film.
    """
    mask = NO_MASK if allowed is None else allowed
    k = min(k, len(scores))
    if k < 1:
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    return cast("tuple[Int32s, Float32s]", _top(scores, excluded, mask, k))


_SIGNATURE = _types.Tuple((nb.int32[::1], nb.float32[::1], nb.int32[::1]))(
    _array(nb.int32), _array(nb.float32), nb.float32, _array(nb.int64), _array(nb.int32),
    _array(nb.float32), _array(nb.float32), _array(nb.int32), _array(nb.boolean), nb.int64,
)


@nb.njit(_SIGNATURE, nogil=True, cache=True)
def _rank(history, weights, decay, starts, items, similarity, factor, excluded, allowed, k):  # type: ignore[no-untyped-def]
    n_items = len(starts) - 1
    scores = np.zeros(n_items, np.float32)
    decayed = np.zeros(len(history), np.float32)
    strength = np.float32(1.0)
    first = len(history)
    for position in range(len(history) - 1, -1, -1):
        if strength < SMALLEST_DECAY:
            break
        first = position
        weight = weights[position] * strength
        decayed[position] = weight
        strength *= decay
        if weight != 0.0:
            source = history[position]
            for place in range(starts[source], starts[source + 1]):
                # Unsigned, here and below: nothing to check for indexes that count from the end.
                scores[nb.uint32(items[place])] += weight * similarity[place]
    for place in range(len(excluded)):
        scores[excluded[place]] = 0.0
    for item in range(n_items):
        scores[item] *= factor[item]
    top, best = np.empty(k, np.int32), np.zeros(k, np.float32)
    found = _best(scores, allowed, top, best)
    # Walking the rows once more is cheaper than looking each film up in each row.
    slots = np.zeros(n_items, np.int32)  # place in the list from 1, 0 for films not in it
    for slot in range(found):
        slots[top[slot]] = slot + 1
    because = np.full(found, NO_SOURCE, np.int32)
    most = np.zeros(found, np.float32)
    for position in range(first, len(history)):
        weight = decayed[position]
        if weight <= 0.0:
            continue
        source = history[position]
        for place in range(starts[source], starts[source + 1]):
            slot = slots[nb.uint32(items[place])] - 1
            if slot >= 0 and weight * similarity[place] >= most[slot]:
                most[slot] = weight * similarity[place]  # equal: the newer entry explains better
                because[slot] = position
    return top[:found].copy(), best[:found].copy(), because


def rank_by_neighbours(
    history: Int32s, weights: Float32s, neighbours: Neighbours, factor: Float32s,
    excluded: Int32s, k: int, allowed: Bools | None = None, decay: float = 1.0,
) -> Ranked:
    """The k films with the highest sum over the history of weight * decay**age * similarity.

    Args:
        history: int32 of shape (n,), film indexes, oldest first.
        weights: float32 of shape (n,), what each entry weighs; below zero counts against.
        neighbours: similarity of each film to others.
        factor: float32 of shape (n_items,), multiplies each film's score.
        excluded: int32, films never returned.
        k: most films returned.
        allowed: bool of shape (n_items,), other films are not returned; None allows all.
        decay: factor per step of age; entries below `SMALLEST_DECAY` are left out.
    """
    mask = NO_MASK if allowed is None else allowed
    k = min(k, len(factor))
    if k < 1:
        return Ranked(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    found = _rank(history, weights, decay, neighbours.starts, neighbours.items,
                  neighbours.weights, factor, excluded, mask, k)
    return Ranked(*found)
