"""The closed-form linear sequence model: ridge regression from what came before to what comes next.

The input of a place in a history is three decayed sums of the films up to it, each of its own
pace; the target is a quickly decayed sum of the films after it. One linear system over all places
of all histories, solved once. With one undecayed block and the history itself as target it would be
the linear autoencoder (Steck, Embarrassingly shallow autoencoders, WWW 2019) without its diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from recommender.arrays import Float64s, Int32s
from recommender.interactions import Interactions
from recommender.models.model import ModelSpec, SearchRange, decay_of, hyperparameter
from recommender.models.sequence_model import SequenceModel, popularity_factor
from recommender.models.sequence_parts import Blocks, HistoryIndex, Logits
from recommender.models.strongest_rows import strongest, strongest_of_dense
from recommender.ranking import neighbours_of


@dataclass(frozen=True)
class SequentialConfig:
    """Hyperparameters of the closed-form sequence model."""

    short_half_life: float = hyperparameter(0.01, least=0.01)
    """Films after which an entry counts half in the first block; 0.01 leaves the last film alone.
    Changes results."""
    middle_half_life: float = hyperparameter(1.5, least=0.01, search=SearchRange(0.5, 4, log=True))
    """The same in the second block. Changes results."""
    long_half_life: float = hyperparameter(20.0, least=0.01, search=SearchRange(5, 60, log=True))
    """The same in the third block. Changes results."""
    target_half_life: float = hyperparameter(0.5, least=0.01, search=SearchRange(0.2, 2, log=True))
    """Films after which a film still to come counts half in the target. Changes results."""
    regularization: float = hyperparameter(0.7, least=0.001, search=SearchRange(0.1, 5, log=True))
    """Ridge penalty as a multiple of the mean number of entries per film taken. Changes results."""
    prior_entries: float = hyperparameter(300.0, least=0, before=0.0,
                                          search=SearchRange(50, 5_000, log=True))
    """Added to that penalty, whatever the size of the data: a film taken much less often than this
    foresees little. Changes results."""
    to_power: float = hyperparameter(0.3, least=0, search=SearchRange(0, 0.6))
    """Power of its popularity that divides a film's score. More gives wider coverage. Changes
    results."""
    neighbours: int = hyperparameter(200, least=1)
    """Weights kept per film and block, the largest by absolute value. Changes results, size and
    speed of ranking."""
    dense_items: int = hyperparameter(4_000, least=0)
    """Films, the most taken, that are solved together: the fit takes 60 bytes times the square,
    time grows with the cube. Others are regressed on each film alone. Changes results."""
    alone_weight: float = hyperparameter(0.4, least=0, before=1.0,
                                         search=SearchRange(0.1, 1, log=True))
    """What a weight regressed alone counts beside those solved together: films that come together
    each claim alone what they bring together. Changes results beyond `dense_items`."""
    threads: int = hyperparameter(2, least=1)
    """Threads that sum the pairs; the solver's own are those of BLAS. Changes speed only."""


def fit_sequential(interactions: Interactions, config: SequentialConfig) -> SequenceModel:
    """The closed form alone."""
    # The score holds its square.
    factor = popularity_factor(interactions, 2.0 * config.to_power)
    return SequenceModel(closed_form(interactions, config),
                         HistoryIndex.none(interactions.n_items), Logits.none(), factor)


def closed_form(interactions: Interactions, config: SequentialConfig) -> Blocks:
    """B = (X'X + penalty)^-1 X'Y over `dense_items` films, the rest by one film at a time."""
    counts = interactions.item_counts()
    factor = np.maximum(counts, 1).astype(np.float64) ** -config.to_power
    decays = [decay_of(half_life) for half_life in (
        config.short_half_life, config.middle_half_life, config.long_half_life)]
    taken = max(int(np.count_nonzero(counts)), 1)
    per_film = max(len(interactions.items), 1) / taken
    penalty = config.regularization * per_film + config.prior_entries
    most_taken = np.argsort(-counts, kind="stable")[:config.dense_items]
    head: Int32s = np.sort(most_taken[counts[most_taken] > 0]).astype(np.int32)
    tables = _solved(interactions, head, decays, penalty, factor, config)
    if len(head) < np.count_nonzero(counts):
        tables = [
            strongest((table + config.alone_weight * _alone(
                interactions, head, decay, penalty, factor, config)).tocsr(),
                factor, config.neighbours)
            for table, decay in zip(tables, decays, strict=True)
        ]
    rows = neighbours_of(sp.vstack(tables, format="csr"))
    return Blocks.of(np.array(decays, np.float32), rows)


def _solved(interactions: Interactions, head: Int32s, decays: list[float], penalty: float,
            factor: Float64s, config: SequentialConfig) -> list[sp.csr_matrix]:
    """A table over all films for each block, filled for the head films among themselves."""
    # Here, since only fitting needs it: compiling it would be a part of the program's start.
    from recommender.models.sequence_grams import sum_pairs

    n_items = interactions.n_items
    place = np.full(n_items, -1, np.int32)
    place[head] = np.arange(len(head), dtype=np.int32)
    gram, cross = sum_pairs(place[interactions.items], interactions.user_offsets,
                            interactions.entry_weights(), len(head), decays,
                            decay_of(config.target_half_life), config.threads)
    gram[np.diag_indices_from(gram)] += np.float32(penalty)
    if len(head):
        # Transposed it is in the order of columns, so that LAPACK needs no copy.
        factor_of = scipy.linalg.cho_factor(gram.T, lower=False, overwrite_a=True,
                                            check_finite=False)
        cross = scipy.linalg.cho_solve(factor_of, cross, overwrite_b=True, check_finite=False)
    return [
        strongest_of_dense(cross[block * len(head):(block + 1) * len(head)], head, head, factor,
                           config.neighbours)
        for block in range(len(decays))
    ]


def _alone(interactions: Interactions, head: Int32s, decay: float, penalty: float,
           factor: Float64s, config: SequentialConfig) -> sp.csr_matrix:
    """The weights between head films and others, and of others: x'y / (x'x + penalty).

    The same regression as if the film were the only input.
    """
    from recommender.models.following import following_rows
    from recommender.models.sequence_grams import decayed_ahead, place_weights, target_weights

    offsets, future_decay = interactions.user_offsets, decay_of(config.target_half_life)
    counted = place_weights(interactions.entry_weights(), offsets, future_decay)
    squares = decayed_ahead(counted, offsets, decay**2)
    from_factor = 1.0 / (penalty + np.bincount(interactions.items, squares, len(factor)))
    longest = int(np.diff(offsets).max(initial=0))
    by_step = target_weights(decay, future_decay, longest)
    is_head = np.zeros(len(factor), np.bool_)
    is_head[head] = True
    of_rest = following_rows(interactions, by_step, np.where(is_head, 0.0, from_factor), factor,
                             config.neighbours)
    to_rest = following_rows(interactions, by_step, np.where(is_head, from_factor, 0.0),
                             np.where(is_head, 0.0, factor), config.neighbours)
    table: sp.csr_matrix = (of_rest + to_rest @ sp.diags(np.where(is_head, 0.0, 1.0))).tocsr()
    return table


SEQUENTIAL = ModelSpec("sequential", SequentialConfig, fit_sequential)
