"""How the exposure of a set of lists spreads over films.

Counts: e_i = times film i was shown, E = sum of e_i. Arrays of counts hold integers >= 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommender.arrays import Float64s, Int64s
from recommender.metrics import coverage, gini

SHOWN_TIERS = (("top 10 %", 0.1), ("10-50 %", 0.5), ("50-90 %", 0.9), ("bottom 10 %", 1.0))
"""Tiers of the shown films by exposure: name, and the share of them at which the tier ends."""
NEVER_SHOWN = "never shown"


@dataclass(frozen=True, slots=True)
class Concentration:
    """How unequal exposure is among the films that were shown."""

    total: int
    unique_items: int
    top_share: float
    gini: float

    @property
    def tail_share(self) -> float:
        """Exposure outside the head: 1 - top_share."""
        return 1.0 - self.top_share


@dataclass(frozen=True, slots=True)
class Tier:
    """Some films of the catalogue, their share of it and their share of the recommendations."""

    name: str
    items: int
    catalogue_share: float
    recommendation_share: float

    @property
    def amplification(self) -> float | None:
        """Share of recommendations / share of catalogue; None for a tier without films."""
        if not self.items:
            return None
        return self.recommendation_share / self.catalogue_share


@dataclass(frozen=True, slots=True)
class CatalogueExposure:
    """How exposure spreads over the whole catalogue, films never shown too."""

    size: int
    coverage: float
    zero_exposure_items: int
    zero_exposure_share: float
    gini: float
    tiers: tuple[Tier, ...]


def head_size(top_percent: float, unique_items: int) -> int:
    """How many films are the head: max(1, floor(p * unique_items)), 0 of none."""
    return min(unique_items, max(1, math.floor(top_percent * unique_items)))


def concentration(exposures: Int64s, top_percent: float = 0.1) -> Concentration:
    """Measures over the films with an exposure above 0; all are 0 when nothing was shown."""
    shown = np.sort(exposures[exposures > 0])[::-1]
    total = int(shown.sum())
    if not total:
        return Concentration(0, 0, 0.0, 0.0)
    head = int(shown[: head_size(top_percent, len(shown))].sum())
    return Concentration(total, len(shown), head / total, gini(shown))


def shown_tiers(exposures: Int64s) -> tuple[Tier, ...]:
    """`SHOWN_TIERS` and the films never shown, over a catalogue: int64 of shape (n_items,).

    The top tier has at least one film. A tier ends after floor(share * shown films).
    """
    shown = np.sort(exposures[exposures > 0])[::-1]
    total, size = int(shown.sum()), len(exposures)
    tiers, start = [], 0
    for name, share in SHOWN_TIERS:
        end = max(start, head_size(share, len(shown)))
        part = int(shown[start:end].sum())
        tiers.append(_tier(name, end - start, size, part, total))
        start = end
    return (*tiers, _tier(NEVER_SHOWN, size - len(shown), size, 0, total))


def popularity_tiers(exposures: Int64s, taken_before: Int64s) -> tuple[Tier, ...]:
    """The same shares of the catalogue by earlier popularity: what was popular before, frozen.

    Args:
        exposures: int64 of shape (n_items,).
        taken_before: int64 of shape (n_items,), people who took each film before.
    """
    size, total = len(exposures), int(exposures.sum())
    ordered = by_popularity(exposures, taken_before)
    tiers, start = [], 0
    for name, share in SHOWN_TIERS:
        end = max(start, head_size(share, size))
        part = float(ordered[start:end].sum())
        tiers.append(Tier(name, end - start, (end - start) / size if size else 0.0,
                          part / total if total else 0.0))
        start = end
    return tuple(tiers)


def by_popularity(values: npt.NDArray[np.generic], taken_before: Int64s) -> Float64s:
    """A value of each film, most taken first: float64 of shape (n_items,).

    Of films taken alike each has their mean, so that the order of ids tells nothing.
    """
    _, kind, counts = np.unique(taken_before, return_inverse=True, return_counts=True)
    mean = np.bincount(kind, values.astype(np.float64)) / counts
    found: Float64s = mean[kind][np.argsort(-taken_before, kind="stable")]
    return found


def catalogue_exposure(exposures: Int64s) -> CatalogueExposure:
    """Measures over a whole catalogue: exposures is int64 of shape (n_items,), zeros included."""
    size = len(exposures)
    zeros = int((exposures == 0).sum())
    return CatalogueExposure(size, coverage(exposures), zeros, zeros / size if size else 0.0,
                             gini(exposures), shown_tiers(exposures))


def _tier(name: str, items: int, size: int, part: int, total: int) -> Tier:
    return Tier(name, items, items / size if size else 0.0, part / total if total else 0.0)
