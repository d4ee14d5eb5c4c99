"""Exploration: at times the last place goes to a film that was shown too little to be judged."""

from __future__ import annotations

import numpy as np

from recommender.rerank.reranker import RerankerSpec, Shortlist, Situation
from recommender.rerank.seeds import uniform

_WHETHER, _WHICH = 100, 101  # streams apart from those of the reserved slots


def explore(shortlist: Shortlist, strength: float, k: int, situation: Situation) -> Shortlist:
    """With probability `strength` the last place is drawn among the films beyond the list.

    A film is drawn in proportion to 1 / sqrt(1 + exposures): the bonus of counting (Auer et al.
    2002, UCB1) as a weight, so that each has a known probability. Logged are 1 - strength for
    the film that kept the place, strength times its share for one that was drawn.
    """
    n, last = len(shortlist.items), min(k, len(shortlist.items)) - 1
    if last < 0 or shortlist.undrawn <= last + 1 or shortlist.propensities[last] != 1.0:
        return shortlist
    propensities = shortlist.propensities.copy()
    beyond = shortlist.items[last + 1:shortlist.undrawn]
    upto = np.cumsum(1.0 / np.sqrt(1.0 + situation.exposures[beyond]))
    order = np.arange(n, dtype=np.int32)
    if uniform(situation.seed, _WHETHER) >= strength:
        propensities[last] = 1.0 - strength
        return shortlist._replace(propensities=propensities)
    which = int(np.searchsorted(upto, uniform(situation.seed, _WHICH) * upto[-1], side="right"))
    which = min(which, len(beyond) - 1)
    chosen = last + 1 + which
    weight = upto[which] - (upto[which - 1] if which else 0.0)
    propensities[chosen] = strength * weight / upto[-1]
    order[last], order[chosen] = chosen, last
    return shortlist._replace(propensities=propensities).ordered(order)


EXPLORATION = RerankerSpec(
    "exploration", "probability that the last place goes to a film that was shown little",
    explore, draws=True, reads_exposures=True)
