"""Rerankers one after the other, each with its strength."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recommender.arrays import Float32s
from recommender.errors import InvalidField
from recommender.rerank import RERANKERS
from recommender.rerank.features import ItemFeatures
from recommender.rerank.reranker import Factor, Rerank, Shortlist, Situation

POOL = 100
"""Films of the model that rerankers choose from, when nothing else is said."""


@dataclass(frozen=True, slots=True)
class RerankChain:
    """A chain as a value: equal ones give equal lists. Made by `chain_of`.

    strengths: (name, strength) in the order of `RERANKERS`, none of 0. pool: candidates that the
    model ranks for stages to choose from. The flags tell what its lists depend on beside model and
    history.
    """

    strengths: tuple[tuple[str, float], ...] = ()
    pool: int = POOL
    factors: tuple[tuple[Factor, float], ...] = field(init=False, compare=False, repr=False)
    stages: tuple[tuple[Rerank, float], ...] = field(init=False, compare=False, repr=False)
    draws: bool = field(init=False, compare=False, repr=False)
    reads_exposures: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        given = [(RERANKERS[name], strength) for name, strength in self.strengths]
        for name, value in (
            ("factors", tuple((spec.factor, s) for spec, s in given if spec.factor)),
            ("stages", tuple((spec.rerank, s) for spec, s in given if spec.rerank)),
            ("draws", any(spec.draws for spec, _ in given)),
            ("reads_exposures", any(spec.reads_exposures for spec, _ in given)),
        ):
            object.__setattr__(self, name, value)

    def __bool__(self) -> bool:
        return bool(self.strengths)

    def __str__(self) -> str:
        """As people read it: mmr 0.3, tail_slots 0.2."""
        return in_words(dict(self.strengths)) or "none"

    def with_strength(self, name: str, strength: float) -> RerankChain:
        """The chain with another strength of one reranker; 0 takes it out.

        Raises:
            InvalidField: as `chain_of` does.
        """
        return chain_of({**dict(self.strengths), name: strength}, self.pool)

    def factor(self, features: ItemFeatures) -> Float32s | None:
        """What multiplies the score of each film when the model ranks; None is 1."""
        whole = None
        for factor, strength in self.factors:
            one = factor(features, strength)
            whole = one if whole is None else whole * one
        return whole

    def candidates(self, k: int) -> int:
        """How many films the model ranks for a list of k."""
        return max(self.pool, k) if self.stages else k

    def apply(self, shortlist: Shortlist, k: int, situation: Situation) -> Shortlist:
        """The candidates in the order of all stages; the first k are the list."""
        for rerank, strength in self.stages:
            shortlist = rerank(shortlist, strength, k, situation)
        return shortlist


def in_words(strengths: Mapping[str, float]) -> str:
    """mmr 0.3, tail_slots 0.2; empty for none."""
    return ", ".join(f"{name} {strength:g}" for name, strength in strengths.items())


def chain_of(strengths: Mapping[str, float], pool: int = POOL) -> RerankChain:
    """The chain of these rerankers, whatever their order.

    Raises:
        InvalidField: an unknown name, or a strength outside [0, 1].
    """
    for name, strength in strengths.items():
        if name not in RERANKERS:
            raise InvalidField("rerank", f"no reranker named {name}; there are "
                                         f"{', '.join(RERANKERS)}")
        if not 0 <= strength <= 1:
            raise InvalidField("rerank", f"the strength of {name} must be from 0 to 1")
    given = tuple((name, float(strengths[name])) for name in RERANKERS if strengths.get(name))
    return RerankChain(given, pool)


AS_RANKED = RerankChain()
"""Nothing is reordered."""
