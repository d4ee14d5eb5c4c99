"""The best films of a score for each film, by a compiled loop without the interpreter's lock."""

from __future__ import annotations

from typing import Any, cast

import numba as nb
import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.ranking import NO_MASK

_types: Any = nb.types  # numba's types are built at run time, untyped


def _array(dtype: Any) -> Any:
    return _types.Array(dtype, 1, "C", readonly=True)


@nb.njit(_types.Tuple((nb.int32[::1], nb.float32[::1]))(
    _array(nb.float32), _array(nb.int32), _array(nb.boolean), nb.int64), nogil=True, cache=True)
def _top(scores, excluded, allowed, k):  # type: ignore[no-untyped-def]
    out = np.zeros(len(scores), np.bool_)
    for place in range(len(excluded)):
        out[excluded[place]] = True
    top, best = np.empty(k, np.int32), np.zeros(k, np.float32)
    found, threshold = 0, np.float32(0.0)
    masked = len(allowed) > 0
    for item in range(len(scores)):
        score = scores[item]
        # A later index replaces only a smaller score: ties go to the lower index.
        if not score > threshold or out[item] or (masked and not allowed[item]):
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
