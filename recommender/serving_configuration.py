"""What makes a list beside the user's history; a request is answered by one from start to end."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

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
    """A served model, and the variant under which its answers are logged.

    `personal` is False for lists that leave the user's history out, but for what they have seen.
    """

    served: ServedModel[Bundle]
    variant: str = DEFAULT_VARIANT
    personal: bool = True

    @property
    def key(self) -> Hashable:
        """Tells lists of one model apart; None for those of the model alone."""
        return None if self.variant == DEFAULT_VARIANT else self.variant

    def unpersonal(self) -> ServingConfiguration[Bundle]:
        """The same without personalisation."""
        return replace(self, variant=HOLDOUT_VARIANT, personal=False)


class ConfigurationChoice(Protocol[Chosen]):
    """Decides by which configuration a user is answered; called once for each request."""

    def __call__(self, user_id: str, /) -> Chosen | None:
        """The configuration of this user now, None before the first model."""
        ...


class ServeNewest(Generic[Bundle]):
    """Everybody is answered by the model that serves."""

    def __init__(self, serving: ServingState[Bundle], variant: str = DEFAULT_VARIANT) -> None:
        self._serving = serving
        self._variant = variant
        self._newest: ServingConfiguration[Bundle] | None = None

    def __call__(self, user_id: str, /) -> ServingConfiguration[Bundle] | None:
        """The same for all users."""
        served, newest = self._serving.current(), self._newest
        if served is None:
            return None
        if newest is None or newest.served is not served:
            newest = ServingConfiguration(served, self._variant)
            self._newest = newest
        return newest
