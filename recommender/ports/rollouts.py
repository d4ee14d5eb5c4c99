"""Rollouts: what runs, what ran, what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from recommender.experiments.rollout import Rollout


class Rollouts(Protocol):
    """At most one rollout runs; a change is taken only if nobody else made one meanwhile."""

    def current(self) -> Rollout | None:
        """The one that runs."""
        ...

    def find(self, name: str) -> Rollout | None:
        """The one of this name."""
        ...

    def all(self, limit: int = 100) -> list[Rollout]:
        """Newest first."""
        ...

    def start(self, rollout: Rollout) -> bool:
        """Begin it; False when one runs already.

        Raises:
            ValueError: the name is taken.
        """
        ...

    def change(self, rollout: Rollout) -> bool:
        """Store its next revision; False when that revision or a later one is there already."""
        ...

    def promote(self, rollout: Rollout) -> bool:
        """As `change`, and make its candidate the serving model, both or neither.

        Raises:
            NotFound: no such model.
            ModelRefused: it may not be served any more.
        """
        ...

    def note_results(self, name: str, results: Mapping[str, Any]) -> None:
        """Keep what was last found, with any revision."""
        ...
