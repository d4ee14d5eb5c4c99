"""What makes a list beside the user's history: a model and what reorders its candidates.

Experiments choose between configurations; a request is answered by one from beginning to end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from recommender.rerank import DIVERSITY
from recommender.rerank.chain import AS_RANKED, RerankChain
from recommender.rerank.conditions import Conditions, ExposureBoard
from recommender.rerank.seeds import seed_of
from recommender.serving_state import ServedModel, ServingState

Bundle = TypeVar("Bundle")
Chosen = TypeVar("Chosen", covariant=True)

DEFAULT_VARIANT = "A"
HOLDOUT_VARIANT = "holdout"
"""The variant of lists without personalisation, for a group that is kept apart at all times."""
CHOSEN_VARIANT = "chosen"
"""The variant of lists that someone asked for in their own way: no part of any comparison."""


@dataclass(frozen=True, slots=True)
class ServingConfiguration(Generic[Bundle]):
    """A served model, a rerank chain, and the variant under which its answers are logged.

    `personal` is False for lists that leave the user's history out, but for what they have seen.
    """

    served: ServedModel[Bundle]
    chain: RerankChain = AS_RANKED
    variant: str = DEFAULT_VARIANT
    personal: bool = True

    @property
    def key(self) -> tuple[str, RerankChain] | None:
        """Tells lists of one model apart; None for those of the model alone."""
        if not self.chain and self.variant == DEFAULT_VARIANT:
            return None
        return self.variant, self.chain

    def with_diversity(self, reranker: str, strength: float, variant: str,
                       ) -> ServingConfiguration[Bundle]:
        """The same model and chain with this strength of the reranker for diversity.

        Raises:
            InvalidField: no such reranker, or a strength outside [0, 1].
        """
        return ServingConfiguration(self.served, self.chain.with_strength(reranker, strength),
                                    variant)

    def unpersonal(self) -> ServingConfiguration[Bundle]:
        """The same model without chain and personalisation."""
        return ServingConfiguration(self.served, AS_RANKED, HOLDOUT_VARIANT, personal=False)


class ConfigurationChoice(Protocol[Chosen]):
    """Decides by which configuration a user is answered; called once for each request."""

    def __call__(self, user_id: str, /) -> Chosen | None:
        """The configuration of this user now, None before the first model."""
        ...


class ServeNewest(Generic[Bundle]):
    """Everybody is answered by the model that serves and one chain."""

    def __init__(self, serving: ServingState[Bundle], chain: RerankChain = AS_RANKED,
                 variant: str = DEFAULT_VARIANT) -> None:
        self._serving = serving
        self._chain = chain
        self._variant = variant
        self._newest: ServingConfiguration[Bundle] | None = None

    def __call__(self, user_id: str, /) -> ServingConfiguration[Bundle] | None:
        """The same for all users."""
        served, newest = self._serving.current(), self._newest
        if served is None:
            return None
        if newest is None or newest.served is not served:
            newest = ServingConfiguration(served, self._chain, self._variant)
            self._newest = newest
        return newest


def _start_of_time() -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Reranking:
    """How lists are reordered where no experiment says otherwise, and what their draws hang on.

    chain: of the default configuration. diversity: the reranker that the `diversity` of a request
    sets. period_ms: how long one user's draws stay the same. board: what was shown lately.
    now_ms: the clock, in UTC ms.
    """

    chain: RerankChain = AS_RANKED
    diversity: str = DIVERSITY[0]
    period_ms: int = 86_400_000
    board: ExposureBoard = field(default_factory=ExposureBoard)
    now_ms: Callable[[], int] = _start_of_time

    def conditions(self, chain: RerankChain, user_id: str,
                   item_ids: tuple[str, ...]) -> tuple[tuple[int, int], Conditions]:
        """The conditions of a list now, and what tells them from those of another time."""
        period = self.now_ms() // self.period_ms if chain.draws else 0
        seed = seed_of(user_id, period) if chain.draws else 0
        if not chain.reads_exposures:
            return (period, 0), Conditions(seed)
        epoch = self.board.newest.epoch
        return (period, epoch), Conditions(seed, self.board.of(item_ids))
