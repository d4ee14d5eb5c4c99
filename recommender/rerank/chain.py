"""Rerankers one after the other, each with its strength."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recommender.errors import InvalidField
from recommender.rerank import RERANKERS
from recommender.rerank.reranker import RerankerSpec, Shortlist, Situation

POOL = 100
"""Films of the model that rerankers choose from, when nothing else is said."""


@dataclass(frozen=True, slots=True)
class RerankChain:
    """A chain as a value: equal ones give equal lists. Made by `chain_of`.

    strengths: (name, strength) in the order of `RERANKERS`, none of 0. pool: candidates that the
    model ranks. The flags tell what its lists depend on beside model and history.
    """

    strengths: tuple[tuple[str, float], ...] = ()
    pool: int = POOL
    stages: tuple[tuple[RerankerSpec, float], ...] = field(init=False, compare=False, repr=False)
    draws: bool = field(init=False, compare=False, repr=False)
    reads_exposures: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        stages = tuple((RERANKERS[name], strength) for name, strength in self.strengths)
        object.__setattr__(self, "stages", stages)
        object.__setattr__(self, "draws", any(spec.draws for spec, _ in stages))
        object.__setattr__(self, "reads_exposures",
                           any(spec.reads_exposures for spec, _ in stages))

    def __bool__(self) -> bool:
        return bool(self.strengths)

    def with_strength(self, name: str, strength: float) -> RerankChain:
        """The chain with another strength of one reranker; 0 takes it out.

        Raises:
            InvalidField: as `chain_of` does.
        """
        return chain_of({**dict(self.strengths), name: strength}, self.pool)

    def apply(self, shortlist: Shortlist, k: int, situation: Situation) -> Shortlist:
        """The candidates in the order of all rerankers; the first k are the list."""
        for spec, strength in self.stages:
            shortlist = spec.rerank(shortlist, strength, k, situation)
        return shortlist


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
