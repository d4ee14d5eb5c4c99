"""What every reranker takes and gives, and how one is described in the registration table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numba as nb
import numpy as np

from recommender.arrays import Float32s, Float64s, Int32s
from recommender.models.model import EncodedHistory
from recommender.rerank.features import ItemFeatures

types: Any = nb.types  # numba's types are built at run time, untyped


def readonly(dtype: Any) -> Any:
    """The type of a one-dimensional array that a kernel reads."""
    return types.Array(dtype, 1, "C", readonly=True)


class Shortlist(NamedTuple):
    """Candidates in the order in which they would be shown; the first k are the list.

    items: int32 of shape (n,), film indexes, none twice.
    scores: float32 of shape (n,), what the model gave, as changed by rerankers of scores.
    places: int32 of shape (n,), where each stood when the model had ranked.
    propensities: float64 of shape (n,), the probability with which chance put a film at its
        place; 1 where chance had no part. The places of one list are drawn independently.
    undrawn: candidates from here on belong to a draw already made: no other may draw them.
    """

    items: Int32s
    scores: Float32s
    places: Int32s
    propensities: Float64s
    undrawn: int

    def ordered(self, order: Int32s) -> Shortlist:
        """The candidates in another order, of shape (n,)."""
        return Shortlist(self.items[order], self.scores[order], self.places[order],
                         self.propensities[order], self.undrawn)


def shortlist_of(items: Int32s, scores: Float32s) -> Shortlist:
    """What a model ranked, best first."""
    n = len(items)
    return Shortlist(items, scores, np.arange(n, dtype=np.int32), np.ones(n, np.float64), n)


@dataclass(frozen=True, eq=False, slots=True)
class Situation:
    """For whom and when a list is made.

    exposures: float64 of shape (n_items,), how often each film was shown lately.
    seed: 64 random bits that stay the same for one user and period; see `seeds.seed_of`.
    """

    features: ItemFeatures
    history: EncodedHistory
    exposures: Float64s
    seed: int


class Rerank(Protocol):
    """The function of a reranker."""

    def __call__(self, shortlist: Shortlist, strength: float, k: int,
                 situation: Situation, /) -> Shortlist:
        """The same candidates in another order; none is added or lost.

        Args:
            strength: in [0, 1]; 0 changes nothing.
            k: how many will be shown.
        """
        ...


Factor = Callable[[ItemFeatures, float], Float32s]
"""From features and strength to what multiplies the score of each film, above 0: float32 of shape
(n_items,). The model ranks by the product, so that no candidates are needed to choose from."""


@dataclass(frozen=True, slots=True)
class RerankerSpec:
    """A row of the registration table. It has either `rerank` or, where films are judged one by one
    by their features, the cheaper `factor`.

    name: as in the settings. about: what its strength means, for people. draws: chance has a
    part, so that lists change from period to period. reads_exposures: depends on what was shown.
    """

    name: str
    about: str
    rerank: Rerank | None = None
    factor: Factor | None = None
    draws: bool = False
    reads_exposures: bool = False
