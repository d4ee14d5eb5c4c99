"""Popularity echo: does exposure concentrate from window to window?

Windows hold the same number of lists: the Gini of fewer lists is higher, so growing traffic alone
would look like a trend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommender.audit.exposure import concentration
from recommender.audit.trend import Trend, trend
from recommender.audit.verdicts import AuditStatus
from recommender.metrics import coverage, exposures_of, gini

WINDOWS_MIN = 8
WINDOWS = 12
LISTS_MIN = 20
"""Lists that a window needs."""
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Window:
    """Some consecutive lists. start, end: places of its first list and of the one after its last.

    gini, coverage: over the whole catalogue; shown_gini, tail_share: over the shown films.
    """

    start: int
    end: int
    gini: float
    shown_gini: float
    coverage: float
    tail_share: float


@dataclass(frozen=True, slots=True)
class Echo:
    """status: FAIL is an echo. trend: None where there are too few windows."""

    status: AuditStatus
    windows: tuple[Window, ...]
    trend: Trend | None


def windows_of(shown: npt.NDArray[np.integer], n_items: int, windows: int) -> list[Window]:
    """Equal windows over lists in order of time; what is over is left out at the beginning.

    Args:
        shown: int of shape (n_lists, k), film indexes; negative is none.
        n_items: films of the catalogue.
        windows: how many, at most n_lists.
    """
    size = len(shown) // windows
    first = len(shown) - size * windows
    found = []
    for start in range(first, len(shown), size):
        exposures = exposures_of(shown[start : start + size], n_items)
        among = concentration(exposures)
        found.append(Window(start, start + size, gini(exposures), among.gini,
                            coverage(exposures), among.tail_share))
    return found


def detect_echo(shown: npt.NDArray[np.integer], n_items: int, slope_max: float,
                windows: int = WINDOWS) -> Echo:
    """Flag a rise of the whole-catalogue Gini above `slope_max` a window that is no chance.

    Both must hold: the slope, so that what is certain but tiny does not alarm, and a Mann-Kendall
    test at 5 %, since slope alone gives 11 to 17 % false alarms. Its rates are measured by
    benchmarks/echo.py.
    """
    windows = min(windows, len(shown) // LISTS_MIN)
    if windows < WINDOWS_MIN:
        return Echo(AuditStatus.INSUFFICIENT_DATA, (), None)
    found = windows_of(shown, n_items, windows)
    status, rise = judge_series([window.gini for window in found], slope_max)
    return Echo(status, tuple(found), rise)


def judge_series(values: list[float], slope_max: float) -> tuple[AuditStatus, Trend | None]:
    """The same decision for a series of Gini measured elsewhere, such as one a retrain."""
    if len(values) < WINDOWS_MIN:
        return AuditStatus.INSUFFICIENT_DATA, None
    found = trend(values)
    flagged = found.slope.value > slope_max and found.rising_p < LEVEL
    return (AuditStatus.FAIL if flagged else AuditStatus.PASS), found
