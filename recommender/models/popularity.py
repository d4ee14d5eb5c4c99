"""Most taken first: the baseline, and what fills a list that a personal model leaves short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.interactions import Interactions
from recommender.models.model import EncodedHistory, ModelSpec
from recommender.ranking import NO_SOURCE, Ranked


@dataclass(frozen=True)
class PopularityConfig:
    """Popularity has nothing to set."""


@dataclass(frozen=True, eq=False)
class PopularityModel:
    """counts: float32 of shape (n_items,), users per film. order: int32, most counted first."""

    counts: Float32s
    order: Int32s

    def __post_init__(self) -> None:
        self.counts.setflags(write=False)
        self.order.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def rank(self, history: EncodedHistory, excluded: Int32s, k: int,
             allowed: Bools | None = None, factor: Float32s | None = None) -> Ranked:
        """The k most counted; films that nobody took are not among them."""
        if factor is None:
            return self._listed(self.order, self.counts, excluded, k, allowed)
        scores = self.counts * factor
        return self._listed(np.argsort(-scores, kind="stable"), scores, excluded, k, allowed)

    def rank_in_genres(self, taste: Float32s, genre_masks: Bools, excluded: Int32s, k: int,
                       allowed: Bools | None = None) -> Ranked:
        """The k films with the highest count times the share of the taste their genres hold.

        Args:
            taste: float32 of shape (n_genres,), share of each genre, none below 0.
            genre_masks: bool of shape (n_genres, n_items).
        """
        scores = (taste @ genre_masks.astype(np.float32)) * self.counts
        return self._listed(np.argsort(-scores, kind="stable"), scores, excluded, k, allowed)

    def rank_untaken(self, excluded: Int32s, k: int, allowed: Bools | None = None) -> Ranked:
        """K of the films that nobody took yet, in the order of their index, scored 1."""
        untaken = (self.counts == 0).astype(np.float32)
        return self._listed(np.flatnonzero(untaken), untaken, excluded, k, allowed)

    def neighbours(self, item: int, k: int) -> Ranked:
        """None: popularity does not tell which films go together."""
        return _ranked(np.zeros(0, np.int32), self.counts)

    def is_finite(self) -> bool:
        """Whether every count is a number."""
        return bool(np.isfinite(self.counts).all())

    def _listed(self, order: Any, scores: Float32s, excluded: Int32s, k: int,
                allowed: Bools | None) -> Ranked:
        shown = scores > 0
        shown[excluded] = False
        if allowed is not None:
            shown &= allowed
        return _ranked(order[shown[order]][:k], scores)


def fit_popularity(interactions: Interactions, config: PopularityConfig) -> PopularityModel:
    """Count users per film, each by the weight of the entry."""
    counts = np.bincount(interactions.items, interactions.weights,
                         minlength=interactions.n_items).astype(np.float32)
    return PopularityModel(counts, np.argsort(-counts, kind="stable").astype(np.int32))


def _ranked(items: Any, scores: Float32s) -> Ranked:
    indexes = items.astype(np.int32)
    return Ranked(indexes, scores[indexes], np.full(len(indexes), NO_SOURCE, np.int32))


POPULARITY = ModelSpec("popularity", PopularityConfig, fit_popularity)
