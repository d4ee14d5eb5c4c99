"""The challenger: closed form, similar histories and logits trained by full softmax, multiplied.

Slower to fit and larger than the blend without logits; see `recommender.models.sequence_ranking`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender.interactions import Interactions
from recommender.models.model import ModelSpec, decay_of, hyperparameter
from recommender.models.sequence_blend import SequenceBlendConfig, fit_sequence_blend
from recommender.models.sequence_model import SequenceModel
from recommender.models.sequence_parts import Logits

UNTAKEN = np.float32(-1e4)
"""Bias of films that nobody took."""
_FIRST_SQUARE = np.float32(1e-3)


@dataclass(frozen=True)
class SequenceSoftmaxConfig(SequenceBlendConfig):
    """Hyperparameters of the blend and of the logits."""

    to_power: float = hyperparameter(0.1, least=0)
    """As for the blend. A challenger is to be accurate first."""
    fast_half_life: float = hyperparameter(1.0, least=0.01)
    """Films after which an entry counts half in the first block of logits. Changes results."""
    slow_half_life: float = hyperparameter(13.5, least=0.01)
    """The same in the second block. Changes results."""
    fast_rate: float = hyperparameter(0.2, least=0)
    """Learning rate of the first block. Changes results."""
    slow_rate: float = hyperparameter(0.1, least=0)
    """Learning rate of the second block. Changes results."""
    dropout: float = hyperparameter(0.2, least=0)
    """Share of the entries left out of the input at random, below 1. Changes results."""
    passes: int = hyperparameter(3, least=0)
    """Passes over all histories. Changes results and the time of the fit."""
    logit_items: int = hyperparameter(6_000, least=1)
    """With more films than this the model has no logits: they take 8 bytes times the square, 24 in
    training."""
    seed: int = hyperparameter(0, least=0)
    """Of the order of users and of the dropout."""


def fit_sequence_softmax(interactions: Interactions,
                         config: SequenceSoftmaxConfig) -> SequenceModel:
    """All three parts."""
    blend = fit_sequence_blend(interactions, config)
    return replace(blend, logits=fit_logits(interactions, config))


def fit_logits(interactions: Interactions, config: SequenceSoftmaxConfig) -> Logits:
    """Train B; the bias is the logarithm of popularity, both by the weights of the entries."""
    # Here, since only this fit needs it: compiling it would be a part of the program's start.
    from recommender.models.softmax_training import train_pass

    n_items = interactions.n_items
    if n_items > config.logit_items:
        return Logits.none()
    weights = interactions.entry_weights()
    counts = np.bincount(interactions.items, weights, n_items)
    bias = np.where(counts > 0, np.log(np.where(counts > 0, counts, 1.0)),
                    UNTAKEN).astype(np.float32)
    decays = np.array([decay_of(config.fast_half_life), decay_of(config.slow_half_life)],
                      np.float32)
    rates = np.array([config.fast_rate, config.slow_rate], np.float32)
    rows = np.zeros((2 * n_items, n_items), np.float32)
    squares = np.full_like(rows, _FIRST_SQUARE)
    dropout = min(config.dropout, 0.99)
    rng = np.random.default_rng(config.seed)
    for _ in range(config.passes):
        order = rng.permutation(interactions.n_users)
        dropped = rng.random(len(interactions.items), np.float32) < dropout
        train_pass(interactions.items, interactions.user_offsets, weights, order, dropped, decays,
                   rates, bias, np.float32(1.0 / (1.0 - dropout)), rows, squares)
    return Logits(decays, rows, bias)


SEQUENCE_SOFTMAX = ModelSpec("sequence_softmax", SequenceSoftmaxConfig, fit_sequence_softmax)
