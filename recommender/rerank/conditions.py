"""What a list depends on beside model, history and request: chance, and what was shown lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recommender.arrays import Float64s


class Conditions(NamedTuple):
    """For one list.

    seed: of `seeds.seed_of`. exposures: float64 of shape (n_items,), how often each film of the
    bundle was shown lately; None when nothing is known, which counts as never.
    """

    seed: int = 0
    exposures: Float64s | None = None

    def shown(self, n_items: int) -> Float64s:
        """The exposures, of shape (n_items,)."""
        return np.zeros(n_items, np.float64) if self.exposures is None else self.exposures


@dataclass(frozen=True, eq=False, slots=True)
class Exposures:
    """How often films were shown lately, by id; `epoch` tells two states apart."""

    epoch: int = 0
    counts: Mapping[str, float] | None = None


class ExposureBoard:
    """The newest exposures for all threads, as arrays in the order of a bundle's films.

    A state is replaced by one assignment; arrays of the last two bundles asked for are kept.
    """

    def __init__(self) -> None:
        self._newest = Exposures()
        self._arrays: tuple[tuple[int, tuple[str, ...], Float64s], ...] = ()

    @property
    def newest(self) -> Exposures:
        """What holds now."""
        return self._newest

    def post(self, counts: Mapping[str, float]) -> None:
        """From now on these hold."""
        self._newest = Exposures(self._newest.epoch + 1, counts)

    def of(self, item_ids: tuple[str, ...]) -> Float64s:
        """Float64 of shape (n_items,) in the order of `item_ids`."""
        newest, kept = self._newest, self._arrays
        for epoch, ids, array in kept:
            if epoch == newest.epoch and ids is item_ids:
                return array
        found = (newest.counts or {}).get
        array = np.array([found(item_id, 0.0) for item_id in item_ids], np.float64)
        array.setflags(write=False)
        self._arrays = ((newest.epoch, item_ids, array), *kept[:1])
        return array
