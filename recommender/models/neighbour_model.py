"""A fitted item-item model: neighbours, a factor per film, a decay per step of age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.models.model import EncodedHistory
from recommender.ranking import Neighbours, Ranked, rank_by_neighbours

_ONE = np.ones(1, np.float32)


@dataclass(frozen=True, eq=False)
class NeighbourModel:
    """score(film) = factor(film) * sum over the history of weight * decay**age * similarity.

    similar: similarity of each film to its neighbours. factor: float32 of shape (n_items,).
    decay: factor per step of age, 1 for none.
    """

    similar: Neighbours
    factor: Float32s
    decay: float

    def __post_init__(self) -> None:
        self.factor.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def rank(self, history: EncodedHistory, excluded: Int32s, k: int,
             allowed: Bools | None = None, factor: Float32s | None = None) -> Ranked:
        """The k best films for this history."""
        whole = self.factor if factor is None else self.factor * factor
        return rank_by_neighbours(history.items, history.weights, self.similar, whole,
                                  excluded, k, allowed, self.decay)

    def neighbours(self, item: int, k: int) -> Ranked:
        """The k films with the highest score for a history of `item` alone."""
        one = np.array([item], np.int32)
        return rank_by_neighbours(one, _ONE, self.similar, self.factor, one, k)

    def is_finite(self) -> bool:
        """Whether all similarities and factors are numbers."""
        return self.similar.is_finite() and bool(np.isfinite(self.factor).all())


