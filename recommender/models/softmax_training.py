"""Training of the logits of a linear sequence model by full softmax, in compiled loops.

The state of a block is z_t = a z_(t-1) + B[s_t], so a step costs as much as there are films,
whatever the length of the history; the gradient runs back by the mirrored recurrence
h_t = a h_(t+1) + g_t with g = (softmax - target) * weight of the target. B follows by Adagrad
(Duchi et al., JMLR 2011).
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

_types: Any = nb.types  # numba's types are built at run time, untyped


def _array(dtype: Any) -> Any:
    return _types.Array(dtype, 1, "C", readonly=True)


SEGMENT = 64
"""Steps after which the gradient is cut off and the rows are updated."""


@nb.njit(nogil=True, cache=True, fastmath=True)
def _softmax(logits, bits, powers, seen):  # type: ignore[no-untyped-def]
    """Turn logits into probabilities over the films not seen (`seen` is 0 for these, else 1).

    e^x = 2^floor(t) * 2^(t - floor(t)), t = x log2(e); the second by a polynomial, the first put
    together bit by bit (`powers` is `bits` seen as float32). Unlike exp, this runs eight at a time.
    """
    largest = np.float32(-1e30)
    for item in range(len(logits)):
        largest = max(largest, logits[item])
    for item in range(len(logits)):
        t = max((logits[item] - largest) * np.float32(1.4426950408889634), np.float32(-120.0))
        whole = np.floor(t)
        x = t - whole
        bits[item] = (np.int32(whole) + np.int32(127)) << np.int32(23)
        logits[item] = (np.float32(0.9999999)
                        + x * (np.float32(0.69315308) + x * (np.float32(0.24015361)
                        + x * (np.float32(0.05582631) + x * (np.float32(0.00898934)
                        + x * np.float32(0.00187758))))))
    total = np.float32(0.0)
    for item in range(len(logits)):
        logits[item] *= powers[item] * (np.float32(1.0) - seen[item])
        total += logits[item]
    total = np.float32(1.0) / total
    for item in range(len(logits)):
        logits[item] *= total


@nb.njit(nb.float64(_array(nb.int32), _array(nb.int64), _array(nb.float32), _array(nb.int64),
                    _array(nb.boolean), _array(nb.float32), _array(nb.float32),
                    _array(nb.float32), nb.float32, nb.float32[:, ::1], nb.float32[:, ::1]),
         nogil=True, cache=True, fastmath=True)
def train_pass(items, offsets, entry_weights, order, dropped, decays, rates, bias,  # type: ignore[no-untyped-def]
               scale, rows, squares):
    """One pass over all users; returns the weighted mean loss of a step, in nats.

    Args:
        items, offsets: int32 and int64, the histories.
        entry_weights: float32 of shape (n_entries,), what the loss of each as a target counts.
        order: int64, users in the order in which they are taken.
        dropped: bool of shape (n_entries,), entries that are left out of the input.
        decays, rates: float32 of shape (n_blocks,), decay and learning rate of each block.
        bias: float32 of shape (n_items,).
        scale: what an entry that is not dropped counts.
        rows, squares: float32 of shape (n_blocks * n_items, n_items), changed in place: B and
            Adagrad's sums of squared gradients.
    """
    n_items, n_blocks = len(bias), len(decays)
    states = np.zeros((n_blocks, n_items), np.float32)
    back = np.zeros((n_blocks, n_items), np.float32)
    gradients = np.zeros((SEGMENT, n_items), np.float32)
    bits = np.zeros(n_items, np.int32)
    powers = bits.view(np.float32)
    seen = np.zeros(n_items, np.float32)
    loss, counted = 0.0, 0.0
    for user in order:
        start, end = offsets[user], offsets[user + 1]
        states[:] = 0.0
        seen[:] = 0.0
        for first in range(start, end - 1, SEGMENT):
            last = min(first + SEGMENT, end - 1)
            for at in range(first, last):
                film, gradient = items[at], gradients[at - first]
                seen[film] = 1.0
                gradient[:] = bias
                for block in range(n_blocks):
                    state, row = states[block], rows[block * n_items + film]
                    given = np.float32(0.0) if dropped[at] else scale
                    for item in range(n_items):
                        state[item] = decays[block] * state[item] + given * row[item]
                        gradient[item] += state[item]
                _softmax(gradient, bits, powers, seen)
                weight = entry_weights[at + 1]
                loss -= weight * np.log(gradient[items[at + 1]] + 1e-30)
                counted += weight
                gradient[items[at + 1]] -= np.float32(1.0)
                if weight != np.float32(1.0):
                    for item in range(n_items):
                        gradient[item] *= weight
            back[:] = 0.0
            for at in range(last - 1, first - 1, -1):
                film, gradient = items[at], gradients[at - first]
                for block in range(n_blocks):
                    behind, decay, rate = back[block], decays[block], rates[block]
                    row, square = rows[block * n_items + film], squares[block * n_items + film]
                    if dropped[at]:
                        for item in range(n_items):
                            behind[item] = decay * behind[item] + gradient[item]
                    else:
                        for item in range(n_items):
                            g = decay * behind[item] + gradient[item]
                            behind[item] = g
                            square[item] += g * g
                            row[item] -= rate * g / np.sqrt(square[item])
    return loss / counted if counted > 0.0 else 0.0
