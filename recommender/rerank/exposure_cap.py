"""A cap on exposure: films shown too often lately stand back."""

from __future__ import annotations

import numpy as np

from recommender.rerank.reranker import RerankerSpec, Shortlist, Situation


def cap_exposure(shortlist: Shortlist, strength: float, k: int, situation: Situation) -> Shortlist:
    """Films with more than 1 / strength times the mean exposure of a film go behind the others."""
    exposures = situation.exposures
    even = exposures.sum() / max(len(exposures), 1)
    over = exposures[shortlist.items] * strength > even
    if not over.any():
        return shortlist
    return shortlist.ordered(np.argsort(over, kind="stable").astype(np.int32))


EXPOSURE_CAP = RerankerSpec(
    "exposure_cap", "1 / strength times the mean exposure is the most that a film gets",
    cap_exposure, reads_exposures=True)
