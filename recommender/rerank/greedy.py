"""What rerankers share that choose one film after the other."""

from __future__ import annotations

import numba as nb
import numpy as np

from recommender.rerank.reranker import readonly, types


@nb.njit(types.void(nb.int32[::1], nb.int64, nb.int64), cache=True)
def bring_forward(order, at, place):  # type: ignore[no-untyped-def]
    """Move the candidate at `at` to `place` before it; those between step back."""
    chosen = order[at]
    while at > place:
        order[at] = order[at - 1]
        at -= 1
    order[place] = chosen


@nb.njit(nb.float32(readonly(nb.float32)), cache=True)
def best_of(scores):  # type: ignore[no-untyped-def]
    """The highest score, which the others are measured by; 1 where none is above 0."""
    best = np.float32(0.0)
    for score in scores:
        best = max(best, score)
    return best if best > 0 else np.float32(1.0)
