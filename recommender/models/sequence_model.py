"""A fitted sequence model: rows of weights, similar histories, logits, in any combination."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.interactions import Interactions
from recommender.models.model import EncodedHistory
from recommender.models.sequence_parts import Blocks, HistoryIndex, Logits, ShortHistories
from recommender.models.sequence_ranking import rank_sequence
from recommender.ranking import NO_SOURCE, Ranked

_ONE = np.ones(1, np.float32)


@dataclass(frozen=True, eq=False)
class SequenceModel:
    """See `recommender.models.sequence_ranking` for the score.

    factor: float32 of shape (n_items,), 0 for films that nobody took.
    short: what is different for histories of few films.
    """

    blocks: Blocks
    index: HistoryIndex
    logits: Logits
    factor: Float32s
    short: ShortHistories = field(default_factory=ShortHistories.none)

    def __setstate__(self, state: dict[str, object]) -> None:
        # Files made before short histories were apart have none.
        self.__dict__.update({"short": ShortHistories.none(), **state})
        self.factor.setflags(write=False)

    def rank(self, history: EncodedHistory, excluded: Int32s, k: int,
             allowed: Bools | None = None, factor: Float32s | None = None) -> Ranked:
        """The k best films for this history."""
        n_films = len(history.items)
        own = self.short.factors[n_films - 1] if self._is_short(n_films) else self.factor
        return rank_sequence(history.items, history.weights, self.blocks, self.index, self.logits,
                             self.trust(n_films), own if factor is None else own * factor,
                             excluded, k, allowed)

    def trust(self, n_films: int) -> float:
        """The power that evidence counts with where so many films are known."""
        return float(self.short.trusts[n_films - 1]) if self._is_short(n_films) else 1.0

    def _is_short(self, n_films: int) -> bool:
        return 0 < n_films <= len(self.short.trusts)

    def neighbours(self, item: int, k: int) -> Ranked:
        """The k films with the highest score for a history of `item` alone, if it speaks for them.

        Logits score every film, also after one that says nothing.
        """
        one = np.array([item], np.int32)
        found = rank_sequence(one, _ONE, self.blocks, self.index, self.logits, 1.0, self.factor,
                              one, k)
        spoken_for = found.because != NO_SOURCE
        return Ranked(found.items[spoken_for], found.scores[spoken_for], found.because[spoken_for])

    def is_finite(self) -> bool:
        """Whether all numbers are finite."""
        return (self.blocks.is_finite() and self.index.is_finite() and self.logits.is_finite()
                and self.short.is_finite() and bool(np.isfinite(self.factor).all()))


def popularity_factor(interactions: Interactions, power: float) -> Float32s:
    """Popularity to -power, 0 for films that nobody took: float32 of shape (n_items,)."""
    counts = interactions.item_counts()
    return np.where(counts > 0, np.maximum(counts, 1.0) ** -power, 0.0).astype(np.float32)
