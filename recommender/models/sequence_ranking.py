"""The compiled kernel of the sequence blend: rows of weights times similar histories.

score = (c + e)^2 * (s + e) / popularity^p, times exp(z / 2) where a softmax part is there. c is
what the closed form expects, s the share of what followed in similar histories, z the logit.
"""

from __future__ import annotations

from typing import Any, cast

import numba as nb
import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.models.block_ranking import Blocks, best_of, decayed_weights, score_blocks
from recommender.models.similar_histories import HistoryIndex, add_followers
from recommender.ranking import NO_MASK, NO_SOURCE, Ranked

EVIDENCE = np.float32(1e-3)
"""e: what stands for no evidence at all."""

_types: Any = nb.types  # numba's types are built at run time, untyped


def _array(dtype: Any) -> Any:
    return _types.Array(dtype, 1, "C", readonly=True)


_INTS, _LONGS, _FLOATS = _array(nb.int32), _array(nb.int64), _array(nb.float32)
_SIGNATURE = _types.Tuple((nb.int32[::1], nb.float32[::1], nb.int32[::1]))(
    _INTS, _FLOATS, _INTS, _array(nb.boolean), nb.int64, _FLOATS,
    _FLOATS, _LONGS, _INTS, _FLOATS, _FLOATS,
    _INTS, _LONGS, _LONGS, _INTS, _INTS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, nb.int64,
    nb.float64,
)


@nb.njit(_SIGNATURE, nogil=True, cache=True)
def _rank(history, weights, excluded, allowed, k, factor,  # type: ignore[no-untyped-def]
          decays, row_starts, row_items, values, strongest,
          items, offsets, starts, users, places, rarity, ages, shifts, steps, back,
          histories, power):
    n_items, n_history = len(factor), len(history)
    decayed = decayed_weights(weights, decays)
    expected = np.zeros(n_items, np.float32)
    score_blocks(history, decayed, row_starts, row_items, values, expected)
    followers = np.zeros(n_items, np.float32)
    strengths, anchors, since, owners = add_followers(
        history, weights, items, offsets, starts, users, places, rarity, ages, shifts, steps, back,
        histories, power, followers)
    for place in range(len(excluded)):
        expected[excluded[place]] = 0.0
        followers[excluded[place]] = 0.0
    total = followers.sum()
    per_follower = np.float32(1.0 / total) if total > 0.0 else np.float32(0.0)
    scores = np.zeros(n_items, np.float32)
    for item in range(n_items):
        c = max(expected[item], np.float32(0.0))
        s = followers[item] * per_follower
        if c > 0.0 or s > 0.0:
            scores[item] = (c + EVIDENCE) * (c + EVIDENCE) * (s + EVIDENCE)
    top = np.empty(k, np.int32)
    best = np.zeros(k, np.float32)
    found = best_of(scores, factor, allowed, top, best)
    # What an entry gave: its share of c and of s, each times what the whole adds to the logarithm.
    slots = scores.view(np.int32)  # place in the list from 1, 0 for films not in it
    slots[:] = 0
    worth = np.zeros(found, np.float32)
    parts = np.zeros((len(ages), found), np.float32)
    for slot in range(found):
        slots[top[slot]] = slot + 1
        c = expected[top[slot]]
        if c > 0.0:
            worth[slot] = 2.0 * np.log(np.float32(1.0) + c / EVIDENCE) / c
    for at in range(len(owners)):
        anchor, start, end = anchors[at], offsets[owners[at]], offsets[owners[at] + 1]
        for place in range(max(start, anchor - len(back) + 1), min(end, anchor + len(steps))):
            slot = slots[nb.uint32(items[place])] - 1
            if slot >= 0 and place != anchor:
                s = followers[top[slot]] * per_follower
                given = steps[place - anchor] if place > anchor else back[anchor - place]
                parts[since[at], slot] += (strengths[at] * given * per_follower
                                           * np.log(np.float32(1.0) + s / EVIDENCE) / s)
    because = np.full(found, NO_SOURCE, np.int32)
    most = np.zeros(found, np.float32)
    part = np.zeros(found, np.float32)
    least = np.float32(0.0)  # of most / worth
    for position in range(n_history - 1, -1, -1):
        age = n_history - 1 - position
        bound = np.float32(0.0)
        for block in range(len(decays)):
            bound += decayed[block, position] * strongest[block * n_items + history[position]]
        if age < len(ages):
            part[:] = parts[age]
        elif not bound > least:
            continue
        else:
            part[:] = 0.0
        for block in range(len(decays)):
            weight = decayed[block, position]
            if weight <= 0.0:
                continue
            row = block * n_items + history[position]
            for place in range(row_starts[row], row_starts[row + 1]):
                slot = slots[nb.uint32(row_items[place])] - 1
                if slot >= 0:
                    part[slot] += weight * values[place] * worth[slot]
        least = np.float32(np.inf)
        for slot in range(found):
            if part[slot] > most[slot]:
                most[slot] = part[slot]
                because[slot] = position
            if worth[slot] > 0.0:
                least = min(least, most[slot] / worth[slot])
    return top[:found].copy(), best[:found].copy(), because


def rank_sequence(history: Int32s, weights: Float32s, blocks: Blocks, index: HistoryIndex,
                  factor: Float32s, excluded: Int32s, k: int,
                  allowed: Bools | None = None) -> Ranked:
    """The k films of the highest score; args as of `recommender.ranking.rank_by_neighbours`."""
    k = min(k, len(factor))
    if k < 1:
        return Ranked(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    found = _rank(history, weights, excluded, NO_MASK if allowed is None else allowed, k, factor,
                  blocks.decays, blocks.rows.starts, blocks.rows.items, blocks.rows.weights,
                  blocks.strongest, *index.arrays(), index.histories, index.power)
    return Ranked(*cast("tuple[Int32s, Float32s, Int32s]", found))
