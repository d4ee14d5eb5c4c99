"""How much each entry counts in a fit: the options of training. All of them are off by default.

Weights are taken from the entries that a model is fitted on and nothing else, so that a validation
part never shows through them. Measured effects: docs/evaluation.md, Options of training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from recommender.arrays import Float64s
from recommender.interactions import Interactions

_DAY_MS = 86_400_000
LARGEST_SHARE = 50.0
"""No entry counts more than this many times the mean: a single rare one must not rule a fit."""


@dataclass(frozen=True)
class Weighting:
    """Factors that multiply; 0 leaves one out."""

    time_half_life_days: float = 0.0
    """Time decay: days before the newest entry after which an entry counts half."""
    time_strata: float = 0.0
    """Stratified by time: so many equally long spans of time count alike in sum."""
    rare_balance: float = 0.0
    """Balanced sampling of rare films, as the expected number of draws: from 0, entries as they
    are, to 1, each tenth of the films by popularity counts alike in sum."""
    propensity_power: float = 0.0
    """Inverse propensity: an entry counts by its film's popularity to minus this power (Saito et
    al., Unbiased recommender learning from missing-not-at-random implicit feedback, WSDM 2020)."""
    account_half_life_days: float = 0.0
    """Account age: an entry counts 1 - 2^(-age / this) of full, age being that of the account at
    the time; what a fresh account does counts little."""

    def is_off(self) -> bool:
        """Whether all entries count alike."""
        return self == UNWEIGHTED


UNWEIGHTED = Weighting()


def weigh(interactions: Interactions, weighting: Weighting) -> Interactions:
    """The same entries with weights of mean 1; without weights when all options are off."""
    if weighting.is_off() or not len(interactions.items):
        return replace(interactions, weights=None)
    weights = np.ones(len(interactions.items), np.float64)
    if weighting.time_half_life_days > 0:
        age_ms = interactions.timestamps.max() - interactions.timestamps
        weights *= 0.5 ** (age_ms / (weighting.time_half_life_days * _DAY_MS))
    if weighting.time_strata > 1:
        weights *= _alike(_strata(interactions, int(weighting.time_strata)))
    if weighting.rare_balance > 0:
        weights *= _alike(_tenths_by_popularity(interactions)) ** weighting.rare_balance
    if weighting.propensity_power > 0:
        counts = interactions.item_counts()[interactions.items].astype(np.float64)
        weights *= counts**-weighting.propensity_power
    if weighting.account_half_life_days > 0:
        weights *= _of_account_age(interactions, weighting.account_half_life_days)
    weights = np.minimum(weights / weights.mean(), LARGEST_SHARE)
    return replace(interactions, weights=(weights / weights.mean()).astype(np.float32))


def _alike(stratum: npt.NDArray[np.integer]) -> Float64s:
    """Weights with which the strata that hold entries have equal sums."""
    counts = np.bincount(stratum).astype(np.float64)
    return np.asarray(len(stratum) / counts[stratum] / (counts > 0).sum(), np.float64)


def _strata(interactions: Interactions, n: int) -> npt.NDArray[np.int64]:
    times = interactions.timestamps
    first, span = times.min(), max(int(np.ptp(times)), 1)
    return np.asarray(np.minimum((times - first) * n // span, n - 1), np.int64)


def _tenths_by_popularity(interactions: Interactions) -> npt.NDArray[np.int64]:
    """The tenth of the films, ordered by popularity, that each entry's film is in."""
    counts = interactions.item_counts()
    taken = np.flatnonzero(counts)
    tenth = np.zeros(len(counts), np.int64)
    order = taken[np.argsort(counts[taken], kind="stable")]
    tenth[order] = np.arange(len(order)) * 10 // max(len(order), 1)
    return tenth[interactions.items]


def _of_account_age(interactions: Interactions, half_life_days: float) -> Float64s:
    """From the user's first event on; the first entry keeps a hundredth, else it would be lost."""
    owners = interactions.entry_users()
    begun = np.full(interactions.n_users, np.iinfo(np.int64).max)
    np.minimum.at(begun, owners, interactions.first_timestamps)
    age_ms = interactions.timestamps - begun[owners]
    grown = 1.0 - 0.5 ** (age_ms / (half_life_days * _DAY_MS))
    return np.asarray(np.maximum(grown, 0.01), np.float64)
