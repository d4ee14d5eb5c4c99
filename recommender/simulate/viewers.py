"""People in front of a recommender: who asks when, and whether they watch what they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

DEFAULT_SUCCESS = 0.3


@dataclass(frozen=True, slots=True)
class Visit:
    """What one visit leads to after the list: a film watched, a film rated, or neither."""

    watched: str | None = None
    rated: str | None = None
    rating: float | None = None


@dataclass(slots=True)
class Viewers:
    """A population with a success model for each variant; deterministic by its seed.

    success: probability that a film of the list is watched, by variant; `DEFAULT_SUCCESS` for
    others. rates: probability that what was watched is rated too.
    """

    users: Sequence[str]
    success: Mapping[str, float] = field(default_factory=dict)
    rates: float = 0.2
    seed: int = 0
    _rng: np.random.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def next_user(self) -> str:
        """Who asks now."""
        return self.users[int(self._rng.integers(len(self.users)))]

    def visit(self, variant: str, films: Sequence[str]) -> Visit:
        """What the user does with the list: films at the top are watched more often (1 / rank)."""
        if not films or self._rng.random() >= self.success.get(variant, DEFAULT_SUCCESS):
            return Visit()
        weights = 1.0 / np.arange(1, len(films) + 1)
        film = films[int(self._rng.choice(len(films), p=weights / weights.sum()))]
        if self._rng.random() >= self.rates:
            return Visit(watched=film)
        rating = float(np.clip(np.round(self._rng.normal(3.8, 0.9) * 2) / 2, 0.5, 5.0))
        return Visit(film, film, rating)
