"""EASE: each film from all the others, in closed form.

Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019. B is the ridge regression of
the user-film matrix on itself with a zero diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from recommender.arrays import Float32s, Int32s
from recommender.interactions import Interactions
from recommender.models.model import ModelSpec, SearchRange, decay_of, hyperparameter
from recommender.models.neighbour_model import NeighbourModel
from recommender.models.strongest_rows import strongest, strongest_of_dense
from recommender.ranking import neighbours_of

_COLUMNS_AT_ONCE = 2_048


@dataclass(frozen=True)
class EaseConfig:
    """Hyperparameters of EASE."""

    regularization: float = hyperparameter(400.0, least=0.001,
                                           search=SearchRange(100, 5_000, log=True))
    """Ridge penalty, in users. Changes results."""
    user_power: float = hyperparameter(0.3, least=0)
    """Power of the number of their films that divides what a user counts. Changes results."""
    to_power: float = hyperparameter(0.1, least=0, search=SearchRange(0, 0.5))
    """Power of its popularity that divides a film's score. More gives wider coverage. Changes
    results."""
    half_life: float = hyperparameter(5.0, least=0, search=SearchRange(1, 50, log=True))
    """Films after which an entry of the history at hand counts half; 0 counts all alike, as the
    paper does. Changes results."""
    neighbours: int = hyperparameter(1_000, least=1)
    """Weights kept per film, the largest by absolute value. Changes results, size and speed of
    ranking."""
    dense_items: int = hyperparameter(8_000, least=0)
    """Films, the most taken, that are solved together: the fit takes 12 bytes times the square,
    time grows with the cube. Others are foreseen from these and foresee nothing. Changes
    results."""


def fit_ease(interactions: Interactions, config: EaseConfig) -> NeighbourModel:
    """B = I - P / diag(P) with P = (X'X + regularization I)^-1.

    Where entries are weighted, X holds their square roots, so that a film's square is the sum of
    its weights, and weights of whole users give X'WX.
    """
    counts = interactions.item_counts()
    most_taken = np.argsort(-counts, kind="stable")[:config.dense_items]
    head: Int32s = np.sort(most_taken[counts[most_taken] > 0]).astype(np.int32)
    factor = np.maximum(counts, 1).astype(np.float64) ** -config.to_power
    taken = _user_vectors(interactions, config)
    inverse = _inverse(taken[:, head], config.regularization)
    table = strongest_of_dense(_weights(inverse), head, head, factor, config.neighbours)
    others = np.setdiff1d(np.flatnonzero(counts), head).astype(np.int32)
    inputs = taken[:, head].T.tocsr()
    for start in range(0, len(others), _COLUMNS_AT_ONCE):
        films = others[start:start + _COLUMNS_AT_ONCE]
        # Each from all head films: (X'X + penalty)^-1 X'y.
        weights = inverse @ (inputs @ taken[:, films]).toarray()
        more = strongest_of_dense(weights, head, films, factor, config.neighbours)
        table = strongest((table + more).tocsr(), factor, config.neighbours)
    return NeighbourModel(neighbours_of(table), factor.astype(np.float32),
                          decay_of(config.half_life))


def ease_weights(interactions: Interactions, films: Int32s, config: EaseConfig) -> Float32s:
    """B over some films: float32 of shape (n_films, n_films), row = film taken."""
    return _weights(_inverse(_user_vectors(interactions, config)[:, films], config.regularization))


def _user_vectors(interactions: Interactions, config: EaseConfig) -> sp.csr_matrix:
    """X: float32 of shape (n_users, n_items)."""
    lengths = np.maximum(np.diff(interactions.user_offsets), 1).astype(np.float64)
    shares = (lengths / lengths.mean()) ** (-config.user_power / 2)
    return sp.csr_matrix(
        ((np.repeat(shares, np.diff(interactions.user_offsets))
          * np.sqrt(interactions.entry_weights())).astype(np.float32),
         interactions.items, interactions.user_offsets),
        shape=(interactions.n_users, interactions.n_items))


def _inverse(taken: sp.csr_matrix, penalty: float) -> Float32s:
    """P = (X'X + penalty I)^-1."""
    gram: Float32s = (taken.T @ taken).toarray()
    gram[np.diag_indices_from(gram)] += np.float32(penalty)
    inverse: Float32s = scipy.linalg.inv(gram, overwrite_a=True, check_finite=False)
    return inverse


def _weights(inverse: Float32s) -> Float32s:
    """I - P / diag(P)."""
    weights: Float32s = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return weights


EASE = ModelSpec("ease", EaseConfig, fit_ease)
