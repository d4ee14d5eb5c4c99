"""Sample-ratio mismatch: whether the arms got the users that they were to get.

A mismatch means that the assignment or the counting is broken; then no figure of the experiment
can be believed (Fabijan et al., KDD 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

BLOCKING_P = 0.001
"""Below it no conclusion is drawn."""


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Users counted and expected by arm, and the chi-square test of the difference."""

    counted: tuple[int, ...]
    expected: tuple[float, ...]
    chi_square: float
    p_value: float

    @property
    def blocks(self) -> bool:
        """Whether no conclusion may be drawn."""
        return self.p_value < BLOCKING_P


def sample_ratio(counted: Sequence[int], percentages: Sequence[float]) -> SampleRatio:
    """Pearson's chi-square with arms - 1 degrees of freedom; each user counts once.

    Raises:
        ValueError: lengths differ, or a percentage is not above 0.
    """
    if len(counted) != len(percentages) or any(share <= 0 for share in percentages):
        raise ValueError("one percentage above 0 is needed for each arm")
    seen = np.asarray(counted, np.float64)
    shares = np.asarray(percentages, np.float64)
    expected = seen.sum() * shares / shares.sum()
    if seen.sum() == 0:
        return SampleRatio(tuple(map(int, counted)), tuple(expected.tolist()), 0.0, 1.0)
    statistic = float(((seen - expected) ** 2 / expected).sum())
    p_value = float(chdtrc(len(counted) - 1, statistic)) if len(counted) > 1 else 1.0
    return SampleRatio(tuple(map(int, counted)), tuple(expected.tolist()), statistic, p_value)
