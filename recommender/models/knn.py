"""Item-item nearest neighbours by cosine.

Sarwar et al., Item-based collaborative filtering recommendation algorithms, WWW 2001.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sparse_dot_topn import sp_matmul_topn

from recommender.interactions import Interactions
from recommender.models.model import ModelSpec, SearchRange, decay_of, hyperparameter
from recommender.models.neighbour_model import NeighbourModel
from recommender.ranking import Neighbours, neighbours_of


@dataclass(frozen=True)
class KnnConfig:
    """Hyperparameters of the cosine model."""

    neighbours: int = hyperparameter(100, least=1, search=SearchRange(20, 400, log=True))
    """Neighbours kept per film. Changes results, size and speed."""
    half_life: float = hyperparameter(5.0, least=0, search=SearchRange(1, 50, log=True))
    """Films after which an entry of the history counts half; 0 counts all alike (the textbook
    model). Changes results: NDCG@10 .0727 with 5, .0382 with 0 and k=50 on ML-1M, last film out
    (python -m benchmarks.accuracy)."""
    threads: int = hyperparameter(2, least=1)
    """Threads of the fit. Changes speed only."""


def cosine_neighbours(rows: sp.csr_matrix, count: int, threads: int) -> Neighbours:
    """The `count` rows of highest positive cosine for each row, without itself.

    Args:
        rows: CSR of shape (n_items, n_features), float32, each row of length 1 or empty.
    """
    if rows.nnz == 0:
        return Neighbours.empty(rows.shape[0])
    # One more, since every row is its own nearest.
    found = sp_matmul_topn(rows, rows.T.tocsr(), top_n=count + 1, threshold=0.0, n_threads=threads)
    found.setdiag(0)
    found.eliminate_zeros()
    found.sort_indices()
    return neighbours_of(found)


def fit_knn(interactions: Interactions, config: KnnConfig) -> NeighbourModel:
    """Cosine of films as sets of users: |A and B| / sqrt(|A| |B|); weighted, of their vectors."""
    weights = interactions.entry_weights()
    squares = np.bincount(interactions.items, weights.astype(np.float64) ** 2,
                          minlength=interactions.n_items)
    lengths = (1.0 / np.sqrt(np.where(squares > 0, squares, 1.0))).astype(np.float32)
    taken = sp.csr_matrix(
        (weights * lengths[interactions.items], interactions.items, interactions.user_offsets),
        shape=(interactions.n_users, interactions.n_items),
    )
    similar = cosine_neighbours(taken.T.tocsr(), config.neighbours, config.threads)
    return NeighbourModel(similar, np.ones(interactions.n_items, np.float32),
                          decay_of(config.half_life))


# The length of a film's vector takes out whatever all its entries share.
KNN = ModelSpec("knn", KnnConfig, fit_knn,
                unmoved_by=frozenset({"rare_balance", "propensity_power"}))
