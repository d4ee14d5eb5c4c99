"""The default: the closed form times what followed in similar histories.

The closed form adds up what each film of the history says by itself; similar histories see which
films were taken together and in which order. They err differently, so their product is far better
than either and needs no more than a pass over the films.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.interactions import Interactions
from recommender.models.block_ranking import Blocks, blocks_of
from recommender.models.model import EncodedHistory, ModelSpec, decay_of, hyperparameter
from recommender.models.sequence_ranking import rank_sequence
from recommender.models.sequential import SequentialConfig, fit_sequential
from recommender.models.similar_histories import HistoryIndex, index_histories
from recommender.ranking import Neighbours, Ranked

_ONE = np.ones(1, np.float32)


@dataclass(frozen=True)
class HistoriesConfig:
    """Hyperparameters of similar histories."""

    to_power: float = hyperparameter(0.0, least=0)
    """Power of its popularity that divides a film's score. Changes results."""
    from_power: float = hyperparameter(0.25, least=0)
    """Power of its popularity that divides what a film in common counts. Changes results."""
    recent: int = hyperparameter(10, least=1)
    """Newest films of the history at hand that are looked up. Changes results and the speed of
    ranking."""
    recent_half_life: float = hyperparameter(3.0, least=0)
    """Films after which one of these counts half. Changes results."""
    order_bonus: float = hyperparameter(6.0, least=0)
    """How much more a further film in common counts where it lies exactly in order. Changes
    results."""
    order_scale: float = hyperparameter(10.0, least=0.1)
    """Steps off for which the bonus falls to 37 %. Changes results."""
    step_half_life: float = hyperparameter(2.0, least=0)
    """Steps after which a follower counts half. Changes results."""
    reach: int = hyperparameter(20, least=1)
    """Followers of a history that count. Changes results slightly."""
    before: float = hyperparameter(0.3, least=0)
    """What films just before the one in common count beside those after it. Changes results."""
    histories: int = hyperparameter(300, least=1)
    """Similar histories that count. Changes results slightly, and the speed of ranking."""
    similarity_power: float = hyperparameter(3.0, least=0)
    """Power of the similarity of a history. Changes results."""
    users: int = hyperparameter(50_000, least=1)
    """Users, the last active ones, whose histories are looked at. Bounds size and the time of a
    list."""


@dataclass(frozen=True)
class SequenceBlendConfig(HistoriesConfig, SequentialConfig):
    """Hyperparameters of both parts; `to_power` divides the product."""

    to_power: float = hyperparameter(0.2, least=0)
    """Power of its popularity that divides a film's score. More gives wider coverage. Changes
    results."""


@dataclass(frozen=True, eq=False)
class SequenceBlend:
    """A fitted blend; see `recommender.models.sequence_ranking` for the score.

    factor: float32 of shape (n_items,), 0 for films that nobody took.
    """

    blocks: Blocks
    index: HistoryIndex
    factor: Float32s

    def __post_init__(self) -> None:
        self.factor.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def rank(self, history: EncodedHistory, excluded: Int32s, k: int,
             allowed: Bools | None = None) -> Ranked:
        """The k best films for this history."""
        return rank_sequence(history.items, history.weights, self.blocks, self.index,
                             self.factor, excluded, k, allowed)

    def neighbours(self, item: int, k: int) -> Ranked:
        """The k films with the highest score for a history of `item` alone."""
        one = np.array([item], np.int32)
        return rank_sequence(one, _ONE, self.blocks, self.index, self.factor, one, k)

    def is_finite(self) -> bool:
        """Whether all numbers are finite."""
        numbers = (self.factor, self.index.rarity, self.index.shifts, self.index.steps)
        return self.blocks.rows.is_finite() and all(bool(np.isfinite(n).all()) for n in numbers)


def fit_histories(interactions: Interactions, config: HistoriesConfig) -> SequenceBlend:
    """Similar histories alone: an index of them, nothing is estimated."""
    none = blocks_of(np.zeros(0, np.float32), Neighbours.empty(0))
    return SequenceBlend(none, _indexed(interactions, config), _factor(interactions, config))


def fit_sequence_blend(interactions: Interactions, config: SequenceBlendConfig) -> SequenceBlend:
    """Both parts."""
    return SequenceBlend(fit_sequential(interactions, config).blocks,
                         _indexed(interactions, config), _factor(interactions, config))


def _indexed(interactions: Interactions, config: HistoriesConfig) -> HistoryIndex:
    return index_histories(
        interactions, config.from_power, decay_of(config.recent_half_life), config.recent,
        config.order_bonus, config.order_scale, decay_of(config.step_half_life), config.reach,
        config.before, config.histories, config.similarity_power, config.users)


def _factor(interactions: Interactions, config: HistoriesConfig) -> Float32s:
    counts = interactions.item_counts()
    return np.where(counts > 0, np.maximum(counts, 1.0) ** -config.to_power, 0).astype(np.float32)


SIMILAR_HISTORIES = ModelSpec("similar_histories", HistoriesConfig, fit_histories)
SEQUENCE_BLEND = ModelSpec("sequence_blend", SequenceBlendConfig, fit_sequence_blend)
