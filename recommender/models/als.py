"""Matrix factorisation of implicit feedback by alternating least squares.

Hu, Koren and Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008; with the
penalty scaled by frequency as in Rendle et al., Revisiting the performance of iALS on item
recommendation benchmarks, RecSys 2022. A user's vector is solved from the history at hand when a
list is asked for, so that a new entry counts at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from recommender.arrays import Bools, Float32s, Float64s, Int32s
from recommender.interactions import Interactions
from recommender.models.model import (
    EncodedHistory,
    ModelSpec,
    SearchRange,
    decay_of,
    hyperparameter,
)
from recommender.ranking import NO_SOURCE, SMALLEST_DECAY, Ranked, top_films

_ONE = np.ones(1, np.float32)


@dataclass(frozen=True)
class AlsConfig:
    """Hyperparameters of ALS."""

    factors: int = hyperparameter(64, least=1, search=SearchRange(16, 256, log=True))
    """Length of the vectors. Changes results, size and speed."""
    unobserved_weight: float = hyperparameter(0.1, least=0, search=SearchRange(0.01, 1, log=True))
    """What a film not taken counts beside one taken. Changes results."""
    regularization: float = hyperparameter(0.003, least=1e-6,
                                           search=SearchRange(1e-4, 0.1, log=True))
    """Penalty, times what the entries and the films not taken count. Changes results."""
    frequency_power: float = hyperparameter(1.0, least=0)
    """Power of what they count that scales the penalty of a vector. Changes results."""
    passes: int = hyperparameter(12, least=1)
    """Alternations. Changes results and the time of the fit."""
    half_life: float = hyperparameter(5.0, least=0, search=SearchRange(1, 50, log=True))
    """Films after which an entry of the history at hand counts half; 0 counts all alike. Changes
    results."""
    seed: int = hyperparameter(0, least=0)
    """Of the first film vectors."""


@dataclass(frozen=True, eq=False)
class AlsModel:
    """vectors: float32 of shape (n_items, factors), 0 for films that nobody took.

    common: float32 of shape (factors, factors), what the films not taken add to a user's system.
    penalty: per unit of what counts, to `frequency_power`. n_taken: films with an entry.
    """

    vectors: Float32s
    common: Float32s
    unobserved_weight: float
    regularization: float
    frequency_power: float
    n_taken: int
    decay: float

    def __post_init__(self) -> None:
        self.vectors.setflags(write=False)
        self.common.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def rank(self, history: EncodedHistory, excluded: Int32s, k: int,
             allowed: Bools | None = None, factor: Float32s | None = None) -> Ranked:
        """The k films whose vectors fit the user's best.

        The user's vector is linear in the entries' vectors, so each entry's part of a score is
        known exactly (section 5 of Hu et al.). Entries of low weight pull the other way.
        """
        system = self._system(history)
        if system is None:
            return _nothing()
        matrix, entries = system
        solved: Float32s = np.linalg.solve(matrix, entries.T)
        scores = self.vectors @ solved.sum(axis=1)
        if factor is not None:
            scores *= factor
        items, best = top_films(scores, excluded, k, allowed)
        # Not by BLAS, whose rounding of a row depends on how many rows there are.
        parts = np.einsum("if,fn->in", self.vectors[items], solved)
        because = np.where(parts.max(axis=1, initial=0) > 0,
                           len(history.items) - 1 - parts[:, ::-1].argmax(axis=1), NO_SOURCE)
        return Ranked(items, best, because.astype(np.int32))

    def user_vector(self, history: EncodedHistory) -> Float32s | None:
        """float32 of shape (factors,); None when no entry says anything."""
        system = self._system(history)
        if system is None:
            return None
        matrix, entries = system
        vector: Float32s = np.linalg.solve(matrix, entries.sum(axis=0))
        return vector

    def _system(self, history: EncodedHistory) -> tuple[Float32s, Float32s] | None:
        """The user's vector solves the first for the sum of the second, which has a row an entry.

        Returns: float32 of shape (factors, factors) and (n_counted, factors); entries that are so
        old that they hardly count are left out. None when no entry says anything.
        """
        ages = np.arange(len(history.items) - 1, -1, -1, dtype=np.float32)
        strengths = np.float32(self.decay) ** ages
        first = int(np.searchsorted(strengths, SMALLEST_DECAY))
        weights = history.weights[first:] * strengths[first:]
        mine = self.vectors[history.items[first:]]
        amount = float(np.abs(weights).sum())
        if not amount:
            return None
        matrix = self.common + mine.T @ (mine * np.abs(weights)[:, None])
        scale = (amount + self.unobserved_weight * self.n_taken) ** self.frequency_power
        matrix[np.diag_indices_from(matrix)] += np.float32(self.regularization * scale)
        return matrix, mine * weights[:, None]

    def neighbours(self, item: int, k: int) -> Ranked:
        """The k films with the highest score for a history of `item` alone."""
        one = np.array([item], np.int32)
        return self.rank(EncodedHistory(one, _ONE), one, k)

    def is_finite(self) -> bool:
        """Whether all numbers are finite."""
        return bool(np.isfinite(self.vectors).all() and np.isfinite(self.common).all())


def _nothing() -> Ranked:
    none = np.zeros(0, np.int32)
    return Ranked(none, np.zeros(0, np.float32), none)


def fit_als(interactions: Interactions, config: AlsConfig) -> AlsModel:
    """Alternate between the vectors of users and of films.

    The weight of an entry is its confidence (Hu et al.), on top of what a film not taken counts.
    """
    # Here, since only fitting needs it: compiling it would be a part of the program's start.
    from recommender.models.als_solver import solve_rows

    by_user = sp.csr_matrix(
        (interactions.entry_weights(), interactions.items, interactions.user_offsets),
        shape=(interactions.n_users, interactions.n_items))
    by_film = by_user.T.tocsr()
    counts = interactions.item_counts()
    rng = np.random.default_rng(config.seed)
    films = rng.normal(0.0, 0.1 / np.sqrt(config.factors), (len(counts), config.factors))
    films[counts == 0] = 0.0
    users = np.zeros((interactions.n_users, config.factors))
    n_takers = int(np.count_nonzero(np.diff(interactions.user_offsets)))
    sides = ((by_user, films, users, _penalties(by_user, int(np.count_nonzero(counts)), config)),
             (by_film, users, films, _penalties(by_film, n_takers, config)))
    for _ in range(config.passes):
        for table, given, solved, penalties in sides:
            common = config.unobserved_weight * (given.T @ given)
            solve_rows(table.indptr.astype(np.int64), table.indices.astype(np.int32), table.data,
                       given, common, penalties, solved)
    vectors = films.astype(np.float32)
    return AlsModel(vectors, config.unobserved_weight * (vectors.T @ vectors),
                    config.unobserved_weight, config.regularization, config.frequency_power,
                    int(np.count_nonzero(counts)), decay_of(config.half_life))


def _penalties(table: sp.csr_matrix, others: int, config: AlsConfig) -> Float64s:
    """Of each row, by the sum of its weights: float64 of shape (n_rows,)."""
    rows = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    sums = np.bincount(rows, table.data, table.shape[0])
    penalties: Float64s = config.regularization * np.power(
        sums + config.unobserved_weight * others, config.frequency_power)
    return penalties


ALS = ModelSpec("als", AlsConfig, fit_als)
