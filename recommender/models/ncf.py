"""The two-tower model: a vector for what a person took so far, one for each film; their product.

Neural collaborative filtering (He et al., WWW 2017) in its two-tower form (Yi et al.,
Sampling-bias-corrected neural modeling, RecSys 2019). The person's tower reads the live history, so
no training is needed for a new person or a new event; the film's tower adds up a vector of its own
and one of its genres and decade, so a film that nobody took has a vector too. Fitting needs JAX, an
optional extra; what is fitted is plain numpy and serves without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.errors import InvalidField
from recommender.interactions import Interactions
from recommender.models.model import (
    EncodedHistory,
    ModelSpec,
    SearchRange,
    decay_of,
    hyperparameter,
)
from recommender.ranking import NO_SOURCE, Ranked, top_films

_NOTHING = Ranked(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int32))


@dataclass(frozen=True)
class NcfConfig:
    """Hyperparameters of the two-tower model."""

    dimensions: int = hyperparameter(64, least=1)
    """Length of the vectors. Changes results, size and speed."""
    short_half_life: float = hyperparameter(1.0, least=0.01, search=SearchRange(0.5, 4, log=True))
    """Films after which an entry counts half in the short view of the history. Changes results."""
    long_half_life: float = hyperparameter(20.0, least=0.01, search=SearchRange(5, 60, log=True))
    """The same in the long view. Changes results."""
    epochs: int = hyperparameter(8, least=1, search=SearchRange(4, 30, log=True))
    """Passes over the data. Changes results and time of the fit."""
    learning_rate: float = hyperparameter(0.004, least=1e-6,
                                          search=SearchRange(0.001, 0.02, log=True))
    """Step of Adam. Changes results."""
    negatives: int = hyperparameter(256, least=1)
    """Films drawn to stand for all others in each step. Changes results slightly and speed."""
    negative_power: float = hyperparameter(0.5, least=0, search=SearchRange(0, 1))
    """They are drawn by popularity to this power: 0 draws all alike, 1 as often as they are taken.
    What this does to the loss is corrected for. Changes results."""
    dropout: float = hyperparameter(0.2, least=0, search=SearchRange(0, 0.5))
    """Share of the history, and of the films' own vectors, left out in each step; so that genres
    and decade learn to stand for a film. Below 1. Changes results."""
    to_power: float = hyperparameter(0.2, least=0, search=SearchRange(0, 0.6))
    """Power of its popularity that divides a film's score. More gives wider coverage. Changes
    results."""
    seed: int = hyperparameter(0, least=0)
    """Of all that is drawn at random."""


@dataclass(frozen=True, eq=False)
class NcfModel:
    """score(film) = exp(taste . film + bias(film)), taste = towers of two decayed sums.

    inputs, films: float32 of shape (n_items, d), each film as part of a history and as offered.
    bias: float32 of shape (n_items,). mix: float32 of shape (2 d, d), hidden: (2 d, h), out:
    (h, d); the taste is x mix + tanh(x hidden) out, x the two sums side by side. decays: factor
    per step of age of the short and the long sum. known: bool of shape (n_items,), films with an
    entry or with a word written about them; others are never shown.
    """

    inputs: Float32s
    films: Float32s
    bias: Float32s
    mix: Float32s
    hidden: Float32s
    out: Float32s
    decays: tuple[float, float]
    known: Bools

    def __post_init__(self) -> None:
        for array in (self.inputs, self.films, self.bias, self.mix, self.hidden, self.out,
                      self.known):
            array.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def rank(self, history: EncodedHistory, excluded: Int32s, k: int,
             allowed: Bools | None = None, factor: Float32s | None = None) -> Ranked:
        """The k best films for this history; none without a known film in it."""
        if not self.known[history.items].any():
            return _NOTHING
        parts = self._parts(history)
        x = parts.sum(axis=1).ravel()
        taste = x @ self.mix + np.tanh(x @ self.hidden) @ self.out
        logits = self.films @ taste + self.bias
        # From the highest of all films, so that a list does not depend on what is excluded.
        scores = np.where(self.known, np.exp(logits - logits[self.known].max()), 0.0)
        if factor is not None:
            scores *= factor
        items, best = top_films(scores.astype(np.float32), excluded, k, allowed)
        return Ranked(items, best, self._because(parts, items))

    def neighbours(self, item: int, k: int) -> Ranked:
        """The k films with the highest score for a history of `item` alone."""
        one = np.array([item], np.int32)
        return self.rank(EncodedHistory(one, np.ones(1, np.float32)), one, k)

    def is_finite(self) -> bool:
        """Whether every number is one."""
        return all(bool(np.isfinite(array).all()) for array in (
            self.inputs, self.films, self.bias, self.mix, self.hidden, self.out))

    def _parts(self, history: EncodedHistory) -> Float32s:
        """What each entry adds to the two sums: float32 of shape (2, n, d)."""
        ages = np.arange(len(history.items) - 1, -1, -1)
        strength = np.stack([(1.0 - decay) * decay**ages for decay in self.decays])
        weighed = (strength * history.weights).astype(np.float32)
        parts: Float32s = weighed[:, :, None] * self.inputs[history.items]
        return parts

    def _because(self, parts: Float32s, items: Int32s) -> Int32s:
        """The entry that adds most through the linear part of the tower; the newer of equal."""
        through = parts.transpose(1, 0, 2).reshape(parts.shape[1], -1) @ self.mix
        added = (through @ self.films[items].T)[::-1]
        most = added.argmax(axis=0)
        because = np.where(added[most, np.arange(len(items))] > 0,
                           len(added) - 1 - most, NO_SOURCE)
        return because.astype(np.int32)


def check_jax() -> None:
    """Whether models of this kind can be fitted here.

    Raises:
        InvalidField: JAX is not installed.
    """
    if find_spec("jax") is None:
        raise InvalidField("models", "ncf needs JAX, an optional extra: make install-extra")


def fit_ncf(interactions: Interactions, config: NcfConfig,
            features: Float32s | None = None) -> NcfModel:
    """Predict each next film of each history, by sampled softmax and Adam.

    Args:
        features: float32 of shape (n_items, n_features), see `film_features`; None: none known.

    Raises:
        InvalidField: JAX is not installed, or a dropout of 1 or more.
    """
    check_jax()
    if config.dropout >= 1:
        raise InvalidField("dropout", "must be below 1")
    from recommender.models.ncf_training import fit_towers  # here, since it loads JAX

    counts = interactions.item_counts()
    if features is None:
        features = np.zeros((interactions.n_items, 0), np.float32)
    decays = decay_of(config.short_half_life), decay_of(config.long_half_life)
    towers = fit_towers(interactions, features, decays, config)
    known = (counts > 0) | features.any(axis=1)
    penalty = config.to_power * np.log(np.maximum(counts, 1))
    return NcfModel(
        towers.inputs, towers.films, (towers.bias - penalty).astype(np.float32), towers.mix,
        towers.hidden, towers.out, decays, known)


NCF = ModelSpec("ncf", NcfConfig, fit_ncf, fit_ncf, check_jax)
