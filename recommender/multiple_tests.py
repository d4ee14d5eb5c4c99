"""Several tests at once: p-values adjusted so that many do not raise more false alarms than one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that even one false rejection is as rare as a single test's.

    Holds however the tests depend on each other (Holm, Scandinavian Journal of Statistics 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    stepped = np.asarray(p_values, np.float64)[order] * np.arange(n, 0, -1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(p) for p in adjusted]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for the false discovery rate (Benjamini and Hochberg 1995).

    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(p_values)
    ranked = np.asarray(p_values)[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    adjusted = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    found = np.empty(len(p_values))
    found[order] = adjusted
    return [float(p) for p in found]
