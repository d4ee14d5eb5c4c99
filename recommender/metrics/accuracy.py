"""Accuracy of lists: where the films that a person took lie in the list that was shown.

For one target a list, ranks are int arrays of shape (n_lists,): the place of the target in the
list from 1, 0 when it is not in the list. For several targets, `found` is bool of shape
(n_lists, length): whether the film at a place is one of the targets; and `wanted` is int of shape
(n_lists,): how many targets there are, also those that are not in the list.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recommender.arrays import Bools, Float64s, Int64s

Counts = npt.NDArray[np.integer] | Sequence[int]


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


def reciprocal_ranks(ranks: Counts, k: int) -> Float64s:
    """1 / rank within the first k, else 0; their mean is MRR@k.

    >>> reciprocal_ranks([2, 0, 11], k=10).tolist()
    [0.5, 0.0, 0.0]
    """
    places = np.asarray(ranks)
    return np.where(hits(places, k) > 0, 1.0 / np.maximum(places, 1), 0.0)


def ranks_of(scores: npt.NDArray[np.floating], targets: Counts) -> Int64s:
    """Place of each row's target from 1 if all films were ranked; ties never favour the target.

    Of the films scored alike the target counts as the last. Films that may not be shown, such as
    seen ones, have the score -inf.

    >>> ranks_of(np.array([[.5, .9, .5], [.1, .1, .1]]), [0, 2]).tolist()
    [3, 3]

    Args:
        scores: of shape (n_lists, n_items); NaN counts as the highest, so that a broken score
            never helps.
        targets: int of shape (n_lists,), film indexes.
    """
    own = np.take_along_axis(scores, np.asarray(targets)[:, None], axis=1)
    return np.asarray((~(scores < own)).sum(axis=1), np.int64)


def recall(found: Bools, wanted: Counts, k: int) -> Float64s:
    """Recall@k of each list: targets within the first k / targets; 0 where there are none.

    >>> recall(np.array([[True, False, True]]), [4], k=3).tolist()
    [0.5]
    """
    targets = np.asarray(wanted)
    return np.asarray(found[:, :k].sum(axis=1) / np.maximum(targets, 1), np.float64)


def ndcg(found: Bools, wanted: Counts, k: int) -> Float64s:
    """NDCG@k of each list for several targets of equal worth; 0 where there are none.

    sum over the places p that hold a target of 1 / log2(p + 1), divided by that of a list that
    begins with min(targets, k) targets (Järvelin and Kekäläinen, TOIS 2002).

    >>> ndcg(np.array([[False, True]]), [1], k=2).round(4).tolist()
    [0.6309]
    """
    worth = 1.0 / np.log2(np.arange(2, k + 2))
    best = np.concatenate(([0.0], np.cumsum(worth)))[np.minimum(np.asarray(wanted), k)]
    got = found[:, :k] @ worth[:found.shape[1]]
    return np.asarray(got / np.where(best > 0, best, 1.0), np.float64)


def hit_rates(found: Bools, k: int) -> Float64s:
    """Whether any target is within the first k: HR@k of each list, float64 of shape (n_lists,)."""
    return np.asarray(found[:, :k].any(axis=1), np.float64)


def first_ranks(found: Bools) -> Int64s:
    """Place from 1 of the first target in each list, 0 without one: int64 of shape (n_lists,)."""
    return np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0).astype(np.int64)
