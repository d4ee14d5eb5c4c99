"""What a candidate in shadow would have shown, held against what was shown."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LATENCIES_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class Shadowed:
    """One request asked behind: part of the films in common, the same first film, seconds."""

    overlap: float
    same_first: bool
    seconds: float


def compared(shown: Sequence[str], candidate: Sequence[str], seconds: float) -> Shadowed:
    """Two lists of one request; two empty ones are alike."""
    longest = max(len(shown), len(candidate))
    overlap = len(set(shown) & set(candidate)) / longest if longest else 1.0
    return Shadowed(overlap, list(shown[:1]) == list(candidate[:1]), seconds)


class ShadowSummary:
    """What all requests so far amount to; times of the newest ones."""

    def __init__(self) -> None:
        self.scored = self.failed = self.shed = 0
        self._overlap = 0.0
        self._same_first = 0
        self._seconds: deque[float] = deque(maxlen=LATENCIES_KEPT)

    def add(self, one: Shadowed) -> None:
        """One request scored."""
        self.scored += 1
        self._overlap += one.overlap
        self._same_first += one.same_first
        self._seconds.append(one.seconds)

    def results(self) -> dict[str, Any]:
        """For the page and the JSON; shares of the scored requests, None without one."""
        scored = self.scored
        p50, p95 = (np.quantile(np.array(self._seconds), (0.5, 0.95)).tolist()
                    if scored else (None, None))
        return {
            "scored": scored, "shed": self.shed, "failed": self.failed,
            "overlap": self._overlap / scored if scored else None,
            "same_first": self._same_first / scored if scored else None,
            "p50_s": p50, "p95_s": p95,
        }
