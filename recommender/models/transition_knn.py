"""Item-item neighbours by what came next: directed co-occurrence in the order of time.

How often film b followed film a within a few steps, nearer steps counting more, divided by powers
of both popularities. Knows order, so it beats cosine by far on the next film; a fit is one pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.interactions import Interactions
from recommender.models.model import ModelSpec, SearchRange, decay_of, hyperparameter
from recommender.models.neighbour_model import NeighbourModel
from recommender.ranking import neighbours_of


@dataclass(frozen=True)
class TransitionKnnConfig:
    """Hyperparameters of the transition model."""

    window: int = hyperparameter(10, least=1, search=SearchRange(4, 40, log=True))
    """Steps after a film within which another counts as following it. Changes results."""
    to_power: float = hyperparameter(0.4, least=0, search=SearchRange(0, 1))
    """Power of the popularity of the following film that divides. More gives wider coverage.
    Changes results."""
    from_power: float = hyperparameter(0.8, least=0, search=SearchRange(0, 1))
    """Power of the popularity of the film followed that divides: common films tell less.
    Changes results."""
    half_life: float = hyperparameter(2.0, least=0, search=SearchRange(1, 10, log=True))
    """Films after which an entry of the history counts half; 0 counts all alike. Changes
    results."""
    neighbours: int = hyperparameter(200, least=1)
    """Following films kept per film. Changes results slightly, size and speed."""


def fit_transition_knn(interactions: Interactions, config: TransitionKnnConfig) -> NeighbourModel:
    """score(b) = n_b^-to sum over a of decay^age n_a^-from sum over (a before b) of 1/distance.

    Where entries are weighted, a pair counts by the weight of the film that follows.

    Measured on ML-1M, the last film of each known sequence held out, all films ranked, 6,040
    lists (python -m benchmarks.accuracy):

        to  from  HR@10  NDCG@10  coverage@10  Gini
        .25 .5    .2934  .1674    .612         .806
        .5  .5    .2839  .1591    .826         .715
        .4  .8    .2907  .1626    .851         .712   <- default: coverage >= .80, Gini <= .72
    Keeping 100 / 200 / 500 / all following films gives NDCG@10 .1578 / .1591 / .1595 / .1590
    (.5, .5), so 200. A window of 6 / 10 / 20 steps gives .1561 / .1591 / .1605 at Gini .706 /
    .715 / .722. Half-lives of 1.5 / 2 / 3 films give .1552 / .1591 / .1602 at coverage .867 /
    .826 / .756.
    """
    # Here, since only fitting needs it: compiling it would be a part of the program's start.
    from recommender.models.following import following_rows

    counts = np.maximum(interactions.item_counts(), 1).astype(np.float64)
    to_factor = counts**-config.to_power
    by_step = np.append(0.0, 1.0 / np.arange(1, config.window + 1))
    table = following_rows(interactions, by_step, counts**-config.from_power, to_factor,
                           config.neighbours)
    return NeighbourModel(neighbours_of(table), to_factor.astype(np.float32),
                          decay_of(config.half_life))


TRANSITION_KNN = ModelSpec("transition_knn", TransitionKnnConfig, fit_transition_knn)
