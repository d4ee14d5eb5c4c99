"""The compiled kernel of all sequence models.

    score = ((c + e)^2 * (s + e) * exp(z / 2))^trust * factor

c is what the closed form expects of a film, s the share of what is next to the last films in
similar histories, z the logit less the largest of all films, 0 where a model has none; trust is 1
but for histories of few films. A film for which nothing speaks (c <= 0, s = 0, and no logits) has
no score.

All in one file, long as it is: numba's cache looks at the file of a kernel, not at those of what
it calls; hence `_best` too, that of `recommender.ranking` with a factor. The look-up of similar
histories as a kernel of its own, called from Python, costs 6 us of 112 a list.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.models.sequence_parts import Blocks, HistoryIndex, Logits
from recommender.ranking import NO_MASK, NO_SOURCE, SMALLEST_DECAY, Ranked

EVIDENCE = np.float32(1e-3)
"""e: what stands for no evidence at all."""
BUCKETS = 512
"""By similarity, of equal width: enough that few users share the one where the choice ends."""


@nb.njit(nogil=True, cache=True)
def _decayed(weights, decays):  # type: ignore[no-untyped-def]
    """Weight of each entry in each block: float32 of shape (n_blocks, n_history)."""
    decayed = np.zeros((len(decays), len(weights)), np.float32)
    for block in range(len(decays)):
        strength = np.float32(1.0)
        for position in range(len(weights) - 1, -1, -1):
            if strength < SMALLEST_DECAY:
                break
            decayed[block, position] = weights[position] * strength
            strength *= decays[block]
    return decayed


@nb.njit(nogil=True, cache=True)
def _add_rows(history, decayed, starts, items, weights, scores):  # type: ignore[no-untyped-def]
    """Add the rows of the history."""
    n_items = len(scores)
    for block in range(len(decayed)):
        for position in range(len(history)):
            weight = decayed[block, position]
            if weight != 0.0:
                row = block * n_items + history[position]
                for place in range(starts[row], starts[row + 1]):
                    # Unsigned: nothing to check for indexes that count from the end.
                    scores[nb.uint32(items[place])] += weight * weights[place]


@nb.njit(nogil=True, cache=True)
def _multiply_by_logits(history, decayed, rows, bias, scores):  # type: ignore[no-untyped-def]
    """Multiply the scores by exp(z / 2)."""
    n_items = len(bias)
    logits = np.empty(n_items, np.float32)
    for item in range(n_items):
        logits[item] = bias[item]
    for block in range(len(decayed)):
        for position in range(len(history)):
            weight = decayed[block, position]
            if weight != 0.0:
                row = rows[block * n_items + history[position]]
                for item in range(n_items):
                    logits[item] += weight * row[item]
    largest = logits[0]
    for item in range(n_items):
        largest = max(largest, logits[item])
    for item in range(n_items):
        # Floored, so that no film vanishes by underflow.
        z = max(logits[item] - largest, np.float32(-60.0))
        scores[item] *= np.exp(np.float32(0.5) * z)


@nb.njit(nogil=True, cache=True)
def _largest(values, k):  # type: ignore[no-untyped-def]
    """The k-th largest value, k from 0; moves the values about (quickselect)."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if k <= right:
            high = right
        elif k >= left:
            low = left
        else:
            break
    return values[k]


@nb.njit(nogil=True, cache=True)
def _most_similar(similarity, found, n_found, histories):  # type: ignore[no-untyped-def]
    """The places in `found` of at most `histories` users, the most similar, in ascending order.

    Of equally similar ones the first are kept. Counted into buckets first, so that only those of
    one bucket have to be compared with each other.
    """
    if n_found <= histories:
        return np.arange(n_found)
    sizes = np.empty(n_found, np.float32)
    most = np.float32(0.0)
    for at in range(n_found):
        sizes[at] = similarity[2 * nb.uint32(found[at])]
        most = max(most, sizes[at])
    per_bucket = np.float32(BUCKETS - 1) / most
    counts = np.zeros(BUCKETS, np.int32)
    for at in range(n_found):
        counts[nb.uint32(sizes[at] * per_bucket)] += 1
    last, above = BUCKETS - 1, 0  # the bucket that is kept in part, those kept of higher ones
    while above + counts[last] < histories:
        above += counts[last]
        last -= 1
    disputed, n_disputed = np.empty(counts[last], np.float32), 0
    for at in range(n_found):
        if nb.uint32(sizes[at] * per_bucket) == last:
            disputed[n_disputed] = sizes[at]
            n_disputed += 1
    least = _largest(disputed, histories - above - 1)
    ties = histories  # how many of those that are just as similar as the last still count
    for at in range(n_found):
        ties -= sizes[at] > least
    kept, n_kept = np.empty(histories, np.int64), 0
    for at in range(n_found):
        size = sizes[at]
        if size >= least and (size > least or ties > 0):
            ties -= size == least
            kept[n_kept] = at
            n_kept += 1
    return kept


@nb.njit(nogil=True, cache=True)
def _to_power(value, power):  # type: ignore[no-untyped-def]
    """value ** power; whole powers by multiplication, a tenth of the time."""
    if power != np.floor(power) or power > 8.0:
        return np.float32(value ** power)
    result = np.float32(1.0)
    for _ in range(int(power)):
        result *= value
    return result


@nb.njit(nogil=True, cache=True)
def _given(given, place):  # type: ignore[no-untyped-def]
    """What an entry counts as a follower; without weights all count alike."""
    return given[nb.uint32(place)] if len(given) > 0 else np.float32(1.0)


@nb.njit(nogil=True, cache=True)
def _add_followers(history, weights, items, offsets, starts, users, places, rarity, ages,  # type: ignore[no-untyped-def]
                   shifts, steps, back, histories, power, given, scores):
    """Add what lies next to the newest film in common in the most similar histories.

    Returns the users whose histories count, and of each its strength, where its newest film in
    common lies, and the age of that film in `history`. Place plus age is the same for all films in
    common with a history that runs in step with `history`.
    """
    n_users, n_ages, far = len(offsets) - 1, min(len(history), len(ages)), len(shifts) - 1
    # Side by side, for both are needed at once: similarity and sum of each user.
    sums = np.zeros(2 * n_users, np.int32)
    similarity = sums.view(np.float32)
    found, n_found = np.empty(n_users + 1, np.int32), nb.uint32(0)
    counted = np.ones(far + 2, np.float32)  # a film by its shift plus 1; 1 for the first in common
    counted[1:] = shifts
    met = np.zeros(n_ages, np.int32)  # how many users were found up to each age
    for age in range(n_ages):
        film = history[len(history) - 1 - age]
        weight = weights[len(history) - 1 - age] * ages[age] * rarity[film]
        if weight > 0.0:
            for at in range(starts[film], starts[film + 1]):
                # Without a branch: whether a user was met before cannot be foreseen.
                one, two = nb.uint32(2 * users[at]), nb.uint32(2 * users[at] + 1)
                so_far, sum_then, sum_now = similarity[one], sums[two], places[at] + age
                is_new = so_far == 0.0
                found[n_found] = users[at]
                n_found += nb.uint32(is_new)
                sum_then += nb.int32(is_new) * (sum_now - sum_then)
                sums[two] = sum_then
                off = min(abs(sum_then - sum_now), far) + 1
                similarity[one] = so_far + weight * counted[nb.uint32(off * (1 - is_new))]
        met[age] = n_found
    kept = _most_similar(similarity, found, nb.int64(n_found), histories)
    n_kept = len(kept)
    similar = np.empty(n_kept, np.int32)
    anchors = np.empty(n_kept, np.int32)
    since = np.empty(n_kept, np.int32)
    strengths = np.empty(n_kept, np.float32)
    age = 0
    for at in range(n_kept):
        while kept[at] >= met[age]:
            age += 1
        similar[at] = found[kept[at]]
        since[at] = age
        anchors[at] = sums[2 * nb.uint32(similar[at]) + 1] - age
        strengths[at] = _to_power(similarity[2 * nb.uint32(similar[at])], power)
    for at in range(n_kept):
        user, anchor = similar[at], anchors[at]
        for step in range(1, min(len(steps), offsets[user + 1] - anchor)):
            weight = strengths[at] * steps[step] * _given(given, anchor + step)
            scores[nb.uint32(items[anchor + step])] += weight
        for step in range(1, min(len(back), anchor - offsets[user] + 1)):
            weight = strengths[at] * back[step] * _given(given, anchor - step)
            scores[nb.uint32(items[anchor - step])] += weight
    return similar, strengths, anchors, since


@nb.njit(nogil=True, cache=True)
def _sum(values):  # type: ignore[no-untyped-def]
    """In eight lanes, which do not wait for each other."""
    lanes = np.zeros(8, np.float32)
    for at in range(len(values)):
        lanes[at & 7] += values[at]
    total = np.float32(0.0)
    for lane in range(8):
        total += lanes[lane]
    return total


@nb.njit(nogil=True, cache=True)
def _best(scores, factor, allowed, top, best):  # type: ignore[no-untyped-def]
    """Fill `top` and `best` with the highest scores * factor above zero; returns how many."""
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


_types: Any = nb.types  # numba's types are built at run time, untyped


def _array(dtype: Any) -> Any:
    return _types.Array(dtype, 1, "C", readonly=True)


_INTS, _LONGS, _FLOATS = _array(nb.int32), _array(nb.int64), _array(nb.float32)
_SIGNATURE = _types.Tuple((nb.int32[::1], nb.float32[::1], nb.int32[::1]))(
    _INTS, _FLOATS, _INTS, _array(nb.boolean), nb.int64, nb.float64, _FLOATS,
    _FLOATS, _LONGS, _INTS, _FLOATS, _FLOATS,
    _INTS, _LONGS, _LONGS, _INTS, _INTS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS,
    nb.int64, nb.float64, _FLOATS,
    _FLOATS, _types.Array(nb.float32, 2, "C", readonly=True), _FLOATS,
)


@nb.njit(_SIGNATURE, nogil=True, cache=True)
def _rank(history, weights, excluded, allowed, k, trust, factor,  # type: ignore[no-untyped-def]
          decays, row_starts, row_items, row_weights, strongest,
          items, offsets, starts, users, places, rarity, ages, shifts, steps, back,
          histories, power, given,
          logit_decays, logit_rows, bias):
    n_items, n_history, has_logits = len(factor), len(history), len(logit_decays) > 0
    decayed = _decayed(weights, decays)
    expected = np.zeros(n_items, np.float32)
    _add_rows(history, decayed, row_starts, row_items, row_weights, expected)
    followers = np.zeros(n_items, np.float32)
    similar, strengths, anchors, since = _add_followers(
        history, weights, items, offsets, starts, users, places, rarity, ages, shifts, steps,
        back, histories, power, given, followers)
    for place in range(len(excluded)):
        expected[excluded[place]] = 0.0
        followers[excluded[place]] = 0.0
    total = _sum(followers)
    per_follower = np.float32(1.0 / total) if total > 0.0 else np.float32(0.0)
    scores = np.empty(n_items, np.float32)
    for item in range(n_items):
        c = max(expected[item], np.float32(0.0))
        s = followers[item] * per_follower
        speaks = has_logits or c > 0.0 or s > 0.0
        product = (c + EVIDENCE) * (c + EVIDENCE) * (s + EVIDENCE)
        scores[item] = product if speaks else np.float32(0.0)
    logit_decayed = _decayed(weights, logit_decays)
    if has_logits:
        for place in range(len(excluded)):
            scores[excluded[place]] = 0.0
        _multiply_by_logits(history, logit_decayed, logit_rows, bias, scores)
    if trust != 1.0:
        for item in range(n_items):
            scores[item] = scores[item] ** np.float32(trust)
    top = np.empty(k, np.int32)
    best = np.zeros(k, np.float32)
    found = _best(scores, factor, allowed, top, best)
    # What an entry gave: its share of c and of s, each times what the whole adds to log(score).
    slots = np.zeros(n_items, np.int32)  # place in the list from 1, 0 for films not in it
    worth = np.zeros(found, np.float32)
    of_share = np.zeros(found, np.float32)
    parts = np.zeros((len(ages), found), np.float32)
    for slot in range(found):
        slots[top[slot]] = slot + 1
        s = followers[top[slot]] * per_follower
        if s > 0.0:
            of_share[slot] = per_follower * np.log(np.float32(1.0) + s / EVIDENCE) / s
        c = expected[top[slot]]
        if c > 0.0:
            worth[slot] = np.float32(2.0) * np.log(np.float32(1.0) + c / EVIDENCE) / c
    for at in range(len(strengths)):
        user = similar[at]
        anchor, start, end = anchors[at], offsets[user], offsets[user + 1]
        for place in range(max(start, anchor - len(back) + 1), min(end, anchor + len(steps))):
            slot = slots[nb.uint32(items[place])] - 1
            if slot >= 0 and place != anchor:
                near = steps[place - anchor] if place > anchor else back[anchor - place]
                weight = strengths[at] * near * _given(given, place)
                parts[since[at], slot] += weight * of_share[slot]
    because = np.empty(found, np.int32)
    for slot in range(found):
        because[slot] = NO_SOURCE
    most = np.zeros(found, np.float32)
    part = np.zeros(found, np.float32)
    least = np.float32(0.0)  # of most / worth
    # Newest first, so that most older ones are seen to be too weak by their strongest weight; of
    # equal entries the newer explains better. What was rated low explains nothing.
    for position in range(n_history - 1, -1, -1):
        age = n_history - 1 - position
        if weights[position] <= 0.0:
            continue
        bound = np.float32(0.0)
        for block in range(len(decays)):
            bound += decayed[block, position] * strongest[block * n_items + history[position]]
        if age >= len(ages) and not has_logits and not bound > least:
            continue
        for slot in range(found):
            part[slot] = parts[age, slot] if age < len(ages) else np.float32(0.0)
        for block in range(len(decays)):
            weight = decayed[block, position]
            row = block * n_items + history[position]
            if weight > 0.0:
                for place in range(row_starts[row], row_starts[row + 1]):
                    slot = slots[nb.uint32(row_items[place])] - 1
                    if slot >= 0:
                        part[slot] += weight * row_weights[place] * worth[slot]
        for block in range(len(logit_decays)):
            weight = np.float32(0.5) * logit_decayed[block, position]
            if weight > 0.0:
                for slot in range(found):
                    row = block * n_items + history[position]
                    part[slot] += weight * logit_rows[row, top[slot]]
        least = np.float32(np.inf)
        for slot in range(found):
            if part[slot] > most[slot]:
                most[slot] = part[slot]
                because[slot] = position
            if worth[slot] > 0.0:
                least = min(least, most[slot] / worth[slot])
    return top[:found].copy(), best[:found].copy(), because


def rank_sequence(history: Int32s, weights: Float32s, blocks: Blocks, index: HistoryIndex,
                  logits: Logits, trust: float, factor: Float32s, excluded: Int32s, k: int,
                  allowed: Bools | None = None) -> Ranked:
    """The k films of the highest score; args as of `recommender.ranking.rank_by_neighbours`."""
    k = min(k, len(factor))
    if k < 1:
        return Ranked(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    found = _rank(
        history, weights, excluded, NO_MASK if allowed is None else allowed, k, trust, factor,
        blocks.decays, blocks.starts, blocks.items, blocks.weights, blocks.strongest,
        index.items, index.offsets, index.starts, index.users, index.places, index.rarity,
        index.ages, index.shifts, index.steps, index.back, index.histories, index.power,
        index.given, logits.decays, logits.rows, logits.bias,
    )
    return Ranked(*found)
