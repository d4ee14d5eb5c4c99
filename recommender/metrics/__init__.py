"""Measures of lists: accuracy, exposure, content, and their intervals over users."""

from recommender.metrics.accuracy import (
    first_ranks,
    gains,
    hit_rates,
    hits,
    ndcg,
    ranks_of,
    recall,
    reciprocal_ranks,
)
from recommender.metrics.bootstrap import (
    Measured,
    exposure_interval,
    mean_with_interval,
    paired_difference,
    paired_exposure_difference,
    ratios_below,
)
from recommender.metrics.exposure import coverage, exposures_of, gini, rarefied_coverage
from recommender.metrics.lists import intra_list_diversity, novelty, with_places

__all__ = [
    "Measured",
    "coverage",
    "exposure_interval",
    "exposures_of",
    "first_ranks",
    "gains",
    "gini",
    "hit_rates",
    "hits",
    "intra_list_diversity",
    "mean_with_interval",
    "ndcg",
    "novelty",
    "paired_difference",
    "paired_exposure_difference",
    "ranks_of",
    "rarefied_coverage",
    "ratios_below",
    "recall",
    "reciprocal_ranks",
    "with_places",
]
