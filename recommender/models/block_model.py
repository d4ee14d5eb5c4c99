"""A fitted model that reads the history through several decays at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.models.block_ranking import Blocks, rank_by_blocks
from recommender.models.model import EncodedHistory
from recommender.ranking import Ranked

_ONE = np.ones(1, np.float32)


@dataclass(frozen=True, eq=False)
class BlockModel:
    """score(film) = factor(film) * sum over blocks and history of weight * decay**age * row.

    factor: float32 of shape (n_items,).
    """

    blocks: Blocks
    factor: Float32s

    def __post_init__(self) -> None:
        self.factor.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def rank(self, history: EncodedHistory, excluded: Int32s, k: int,
             allowed: Bools | None = None) -> Ranked:
        """The k best films for this history."""
        return rank_by_blocks(history.items, history.weights, self.blocks, self.factor, excluded,
                              k, allowed)

    def neighbours(self, item: int, k: int) -> Ranked:
        """The k films with the highest score for a history of `item` alone."""
        one = np.array([item], np.int32)
        return rank_by_blocks(one, _ONE, self.blocks, self.factor, one, k)

    def is_finite(self) -> bool:
        """Whether all weights and factors are numbers."""
        return self.blocks.rows.is_finite() and bool(np.isfinite(self.factor).all())
