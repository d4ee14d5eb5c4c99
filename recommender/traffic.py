"""Requests and events of the last hour, from totals that are counted anyway."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MINUTES_KEPT = 60
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class TrafficTotals:
    """Counted since the start.

    `requests_below[i]` requests took at most `bounds_s[i]` seconds; the last bound is infinite,
    so its count is that of all requests.
    """

    bounds_s: tuple[float, ...] = (math.inf,)
    requests_below: tuple[int, ...] = (0,)
    accepted: int = 0
    applied: int = 0


@dataclass(frozen=True, slots=True)
class TrafficMinute:
    """One minute, begun at `start_ms` (UTC).

    `p50_s` and `p95_s` are estimated from the buckets of a histogram, None without a request.
    """

    start_ms: int
    requests_per_s: float
    p50_s: float | None
    p95_s: float | None
    accepted: int
    applied: int


class TrafficHistory:
    """The totals at the end of each minute. One thread samples, any number read."""

    def __init__(self) -> None:
        self._samples: tuple[tuple[int, TrafficTotals], ...] = ()

    def sample(self, at_ms: int, totals: TrafficTotals) -> None:
        """Note the totals of now; the last sample of a minute stands for its end."""
        kept = self._samples
        # The first sample of all stays: it is where the first minute begins.
        if len(kept) > 1 and kept[-1][0] // _MINUTE_MS == at_ms // _MINUTE_MS:
            kept = kept[:-1]
        self._samples = (*kept[-MINUTES_KEPT:], (at_ms, totals))

    def minutes(self) -> list[TrafficMinute]:
        """Oldest first; the last one may still be going on."""
        samples = self._samples
        return [
            _between(*before, *after)
            for before, after in pairwise(samples)
            if after[0] > before[0]
        ]


def _between(
    from_ms: int, before: TrafficTotals, to_ms: int, after: TrafficTotals
) -> TrafficMinute:
    earlier = before.requests_below
    if len(earlier) != len(after.requests_below):  # nothing was counted yet
        earlier = (0,) * len(after.requests_below)
    below = [now - then for now, then in zip(after.requests_below, earlier, strict=True)]
    return TrafficMinute(
        start_ms=to_ms // _MINUTE_MS * _MINUTE_MS,
        requests_per_s=below[-1] * 1000 / (to_ms - from_ms),
        p50_s=quantile(after.bounds_s, below, 0.5),
        p95_s=quantile(after.bounds_s, below, 0.95),
        accepted=after.accepted - before.accepted,
        applied=after.applied - before.applied,
    )


def quantile(bounds_s: Sequence[float], below: Sequence[int], share: float) -> float | None:
    """The time that `share` of the requests stayed below, evenly spread within each bucket.

    `below` counts the requests up to each of the ascending bounds, the last of which is
    infinite; what lies in that bucket is told as the bound before. None without requests.
    """
    total = below[-1]
    if total == 0:
        return None
    rank = share * total
    lower_s, fewer = 0.0, 0
    for bound_s, count in zip(bounds_s, below, strict=True):
        if count >= rank and count > fewer:
            if math.isinf(bound_s):
                return lower_s
            return lower_s + (bound_s - lower_s) * (rank - fewer) / (count - fewer)
        lower_s, fewer = bound_s, count
    return lower_s
