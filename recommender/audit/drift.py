"""Drift: whether what people do now differs from what they did in a reference window.

Large windows make every difference significant, so a verdict needs both: p < 0.05 after
Benjamini-Hochberg over all tests, and an effect that matters. And events of one user resemble each
other, so that events are not independent: chi-square statistics are divided by the mean design
effect (Rao and Scott 1981), the Kolmogorov-Smirnov test of ratings counts with the effective number
of events; activity has one row a user.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import chdtrc, kolmogorov

from recommender.arrays import Float64s, Int64s
from recommender.audit.drift_windows import DriftWindows
from recommender.multiple_tests import benjamini_hochberg

ALPHA = 0.05
PSI_MAX = 0.1
"""Population stability index above which a mix has changed (the usual threshold)."""
SHARE_MOVED_MAX = 0.06
"""Share of a mix that moved elsewhere (total variation) above which it has changed."""
RATING_SHIFT_MAX = 0.2
"""Wasserstein distance of ratings, in standard deviations of the reference."""
ACTIVITY_SHIFT_MAX = 0.25
"""Wasserstein distance of the logarithms of events a user: 0.25 is 28 % more or fewer."""
USERS_MIN = 100
HOURS = 24
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000


@dataclass(frozen=True, eq=False, slots=True)
class EventWindow:
    """Ratings and watches of one window of time, one entry an event.

    users: int64, codes from 0. ratings: float64, NaN for a watch. at_ms: int64, UTC ms.
    films: int64, rows of the genre table, -1 for a film without one.
    """

    users: Int64s
    ratings: Float64s
    at_ms: Int64s
    films: Int64s

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, slots=True)
class DriftTest:
    """One test. `effect` has the unit that `effect_in` names; `drifted` needs p and effect."""

    name: str
    statistic: float
    p_value: float
    p_adjusted: float
    effect: float
    effect_in: str
    threshold: float
    drifted: bool
    psi: float | None = None


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All tests; `status` is PASS, FAIL (something drifted) or INSUFFICIENT_DATA, with a reason."""

    status: str
    tests: tuple[DriftTest, ...]
    reference_events: int
    current_events: int
    reference_users: int
    current_users: int
    reason: str = ""

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the tests that found something."""
        return tuple(test.name for test in self.tests if test.drifted)


@dataclass(frozen=True, slots=True)
class _Finding:
    name: str
    statistic: float
    p_value: float
    effect: float
    effect_in: str
    threshold: float
    psi: float | None = None
    matters: bool = False


def drift(reference: EventWindow, current: EventWindow, genres: Float64s,
          windows: DriftWindows | None = None) -> DriftReport:
    """Compare two windows of equal length.

    Args:
        genres: float64 of shape (n_films, n_genres), how much of a film each genre is; rows sum
            up to 1, or to 0 for a film without genres.
        windows: from when to when they are; nothing is compared unless events fill both.
    """
    people = len(np.unique(reference.users)), len(np.unique(current.users))
    sizes = len(reference), len(current)
    if missing := _missing(reference, current, people, windows):
        return DriftReport("INSUFFICIENT_DATA", (), *sizes, *people, missing)
    found = [f for f in (
        _ratings(reference, current), _activity(reference, current),
        _mix("rating_distribution", *(_rating_cells(w, reference, current)
                                      for w in (reference, current))),
        _mix("genre_mix", *((w.users[w.films >= 0], genres[w.films[w.films >= 0]])
                            for w in (reference, current))),
        _mix("hour_mix", *((w.users, np.eye(HOURS)[w.at_ms % _DAY_MS // _HOUR_MS])
                           for w in (reference, current))),
    ) if f is not None]
    adjusted = benjamini_hochberg([f.p_value for f in found])
    tests = tuple(
        DriftTest(f.name, f.statistic, f.p_value, p, f.effect, f.effect_in, f.threshold,
                  p < ALPHA and f.matters, f.psi)
        for f, p in zip(found, adjusted, strict=True))
    status = "FAIL" if any(test.drifted for test in tests) else "PASS"
    return DriftReport(status, tests, *sizes, *people)


def _missing(reference: EventWindow, current: EventWindow, people: tuple[int, int],
             windows: DriftWindows | None) -> str:
    """Why there is nothing to compare, empty when there is."""
    for name, found in zip(("reference", "current"), people, strict=True):
        if found < USERS_MIN:
            return f"{found} people in the {name} window, {USERS_MIN} are needed"
    if windows is None:
        return ""
    for name, events, stretch in (("reference", reference, windows.reference),
                                  ("current", current, windows.current)):
        if not stretch.filled_by(events.at_ms):
            return f"the events of the {name} window do not reach from its start to its end"
    return ""


def psi(reference: Float64s, current: Float64s) -> float:
    """Population stability index of two mixes: sum (c - r) ln(c / r), empty cells at 1e-4."""
    r, c = np.maximum(reference, 1e-4), np.maximum(current, 1e-4)
    return float(((c - r) * np.log(c / r)).sum())


def wasserstein(reference: Float64s, current: Float64s) -> float:
    """The first Wasserstein distance of two samples: the area between their distributions."""
    values = np.sort(np.concatenate((reference, current)))
    below = [np.searchsorted(np.sort(sample), values[:-1], side="right") / len(sample)
             for sample in (reference, current)]
    return float((np.abs(below[0] - below[1]) * np.diff(values)).sum())


def kolmogorov_smirnov(reference: Float64s, current: Float64s,
                       design_effects: tuple[float, float] = (1.0, 1.0)) -> tuple[float, float]:
    """(statistic, p-value) of the two-sample test, with the effective numbers of values.

    With ties, as among ratings, the p-value is too large rather than too small.
    """
    values = np.unique(np.concatenate((reference, current)))
    below = [np.searchsorted(np.sort(sample), values, side="right") / len(sample)
             for sample in (reference, current)]
    statistic = float(np.abs(below[0] - below[1]).max())
    n, m = (len(sample) / max(effect, 1.0)
            for sample, effect in zip((reference, current), design_effects, strict=True))
    return statistic, float(kolmogorov(sqrt(n * m / (n + m)) * statistic))


def _ratings(reference: EventWindow, current: EventWindow) -> _Finding | None:
    sides = [(w.users[~np.isnan(w.ratings)], w.ratings[~np.isnan(w.ratings)])
             for w in (reference, current)]
    if min(len(ratings) for _, ratings in sides) < USERS_MIN:
        return None
    (_, before), (_, now) = sides
    effects = [_design_effect(users, ratings[:, None]) for users, ratings in sides]
    statistic, p_value = kolmogorov_smirnov(before, now, (effects[0], effects[1]))
    spread = float(before.std()) or 1.0
    shift = wasserstein(before, now) / spread
    return _Finding("ratings", statistic, p_value, shift, "standard deviations (Wasserstein)",
                    RATING_SHIFT_MAX, matters=shift > RATING_SHIFT_MAX)


def _activity(reference: EventWindow, current: EventWindow) -> _Finding:
    before, now = (np.log(counts[counts > 0].astype(np.float64)) for counts in
                   (np.bincount(reference.users), np.bincount(current.users)))
    statistic, p_value = kolmogorov_smirnov(before, now)
    shift = wasserstein(before, now)
    return _Finding("user_activity", statistic, p_value, shift, "log events a user (Wasserstein)",
                    ACTIVITY_SHIFT_MAX, matters=shift > ACTIVITY_SHIFT_MAX)


def _rating_cells(window: EventWindow, reference: EventWindow,
                  current: EventWindow) -> tuple[Int64s, Float64s]:
    known = ~np.isnan(window.ratings)
    both = np.concatenate((reference.ratings, current.ratings))
    steps = np.unique(both[~np.isnan(both)])
    cells = np.searchsorted(steps, window.ratings[known])
    return window.users[known], np.eye(max(len(steps), 1))[cells]


def _mix(name: str, before: tuple[Int64s, Float64s],
         now: tuple[Int64s, Float64s]) -> _Finding | None:
    """Pearson's chi-square of two mixes over the mean design effect, PSI and share moved."""
    if min(len(before[0]), len(now[0])) < USERS_MIN:
        return None
    sums = np.stack([cells.sum(axis=0) for _, cells in (before, now)])
    used = sums.sum(axis=0) > 0
    if used.sum() < 2:
        return None
    sums = sums[:, used]
    n = sums.sum(axis=1, keepdims=True)
    expected = n * sums.sum(axis=0) / sums.sum()
    statistic = float(((sums - expected) ** 2 / expected).sum())
    effects = [_design_effect(users, cells[:, used]) for users, cells in (before, now)]
    statistic /= max(float(np.mean(effects)), 1.0)
    p_value = float(chdtrc(int(used.sum()) - 1, statistic))
    mixes = sums / n
    moved = float(np.abs(mixes[1] - mixes[0]).sum() / 2)
    index = psi(mixes[0], mixes[1])
    return _Finding(name, statistic, p_value, moved, "share moved (total variation)",
                    SHARE_MOVED_MAX, index, moved > SHARE_MOVED_MAX or index > PSI_MAX)


def _design_effect(users: Int64s, cells: Float64s) -> float:
    """How much larger the variance of the mean is than if events were independent.

    The mean over the columns, weighted by their variances: for one column its own.
    """
    _, codes = np.unique(users, return_inverse=True)
    counts = np.bincount(codes).astype(np.float64)
    total = counts.sum()
    clustered = independent = 0.0
    for column in cells.T:
        mean = column.mean()
        residuals = np.bincount(codes, column) - mean * counts
        own = ((column - mean) ** 2).sum()
        if mean <= 0 or own <= 0:
            continue
        # Weights 1 / mean: those of the cells in Pearson's statistic.
        clustered += float((residuals**2).sum()) / mean
        independent += float(own) / mean
    if independent == 0.0 or total == 0.0:
        return 1.0
    return max(clustered / independent, 1.0)
