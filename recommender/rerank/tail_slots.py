"""Reserved slots: some places of every list are for films of the long tail, in rotation."""

from __future__ import annotations

import numpy as np

from recommender.rerank.reranker import RerankerSpec, Shortlist, Situation
from recommender.rerank.seeds import uniform

ROTATION = 10
"""Tail films that take turns in one slot."""


def slot_places(k: int, slots: int) -> list[int]:
    """Places of the reserved slots in a list of k, from 0: spread, the first not among them.

    >>> slot_places(10, 2), slot_places(10, 3)
    ([3, 6], [2, 5, 7])
    """
    return [(slot + 1) * k // (slots + 1) for slot in range(slots)]


def reserve_slots(shortlist: Shortlist, strength: float, k: int,
                  situation: Situation) -> Shortlist:
    """The k - m best keep their order; m = strength k (rounded) places go to tail films.

    The best tail films beyond them, at most `ROTATION` for each slot, are dealt to the slots in
    turn; each slot shows one of its own, all alike likely by the user's seed. Where there are too
    few tail films there are fewer slots.
    """
    k = min(k, len(shortlist.items))
    slots = min(int(strength * k + 0.5), k - 1)
    if slots < 1:
        return shortlist
    tail = situation.features.tail[shortlist.items]
    candidates = np.flatnonzero(tail[k - slots:shortlist.undrawn]) + (k - slots)
    candidates = candidates[:slots * ROTATION]
    slots = min(slots, len(candidates))
    if slots == 0:
        return shortlist
    drawn = set(candidates.tolist())
    groups = [candidates[slot::slots] for slot in range(slots)]
    shown = [int(group[int(uniform(situation.seed, slot) * len(group))])
             for slot, group in enumerate(groups)]
    rest = [at for at in range(len(shortlist.items)) if at not in drawn]
    order = rest[:k - slots]
    for place, film in zip(slot_places(k, slots), shown, strict=True):
        order.insert(place, film)
    undrawn = shortlist.undrawn - len(drawn) + slots
    order += [*rest[k - slots:], *(at for at in candidates.tolist() if at not in shown)]
    propensities = shortlist.propensities.copy()
    for group in groups:
        propensities[group] = 1.0 / len(group)
    changed = shortlist._replace(propensities=propensities, undrawn=undrawn)
    return changed.ordered(np.array(order, np.int32))


TAIL_SLOTS = RerankerSpec("tail_slots", "share of the places reserved for films of the long tail",
                          reserve_slots, draws=True)
