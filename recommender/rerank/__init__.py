"""Reorder what a model ranked. One file a reranker; a new one is one more line here."""

from __future__ import annotations

from recommender.rerank.calibration import CALIBRATED_GENRES
from recommender.rerank.exploration import EXPLORATION
from recommender.rerank.exposure_cap import EXPOSURE_CAP
from recommender.rerank.mmr import MMR, MMR_CONTENT
from recommender.rerank.popularity_division import POPULARITY_DIVISION
from recommender.rerank.reranker import RerankerSpec
from recommender.rerank.tail_slots import TAIL_SLOTS
from recommender.rerank.xquad import XQUAD

RERANKERS: dict[str, RerankerSpec] = {
    spec.name: spec
    for spec in (
        # Those of scores, those that choose one film after the other, those of places.
        POPULARITY_DIVISION,
        MMR,
        MMR_CONTENT,
        XQUAD,
        CALIBRATED_GENRES,
        EXPOSURE_CAP,
        TAIL_SLOTS,
        EXPLORATION,
    )
}
"""In the order in which a chain applies them."""

DIVERSITY = (MMR.name, MMR_CONTENT.name, XQUAD.name, CALIBRATED_GENRES.name)
"""Those that the `diversity` of a request may set."""
