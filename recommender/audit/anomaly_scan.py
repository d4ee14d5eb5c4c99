"""Accounts that are out of the ordinary in a log of events, a record at a time.

The named baseline (count > mean + 3 standard deviations) is kept as it is in other systems, so
that their reports can be reproduced. It misses what stays below it, so the detectors of
`activity_detectors` stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recommender.arrays import Int64s
from recommender.audit.activity_detectors import StreamDetectors
from recommender.audit.log_records import Record, id_of, item_of, number_of, seconds_of

BASELINE_SD = 3.0
MAD_Z = 3.5
"""Modified z above which a count is an outlier (Iglewicz and Hoaglin 1993)."""
_MAD_OF_NORMAL = 0.6745
_MEAN_DEVIATION_OF_NORMAL = 1.253314


class AnomalyScan:
    """Counts events by user. Memory grows with users and films, not with records."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._schema_errors = 0
        self._detectors = StreamDetectors()

    def add(self, record: Record) -> None:
        """One record; one without user or film is a schema error."""
        user_id, item_id = id_of(record.get("user_id")), item_of(record)
        if user_id is None or item_id is None:
            self._schema_errors += 1
            return
        self._counts[user_id] = self._counts.get(user_id, 0) + 1
        self._detectors.add(user_id, item_id, number_of(record.get("rating")), seconds_of(record))

    @property
    def usable(self) -> bool:
        """Whether there was any event with a user and a film."""
        return bool(self._counts)

    def counts(self) -> list[int]:
        """Events of each user."""
        return list(self._counts.values())

    def report(self, lines_unreadable: int) -> dict[str, Any]:
        """All measures, ready for JSON; there must have been an event."""
        counts = np.fromiter(self._counts.values(), np.int64)
        mean, deviation = float(counts.mean()), float(counts.std())
        threshold = mean + BASELINE_SD * deviation
        flagged = {user: n for user, n in self._counts.items() if n > threshold}
        return {
            "total_events": int(counts.sum()),
            "unique_users": len(counts),
            "schema_errors": self._schema_errors,
            "lines_unreadable": lines_unreadable,
            "mean_events_per_user": mean,
            "std_events_per_user": deviation,
            "threshold": threshold,
            "flagged_users": [
                {"user_id": user, "count": n, "multiple": n / mean}
                for user, n in _most_first(flagged)
            ],
            "detectors": {"median_mad": self._median_mad(counts), **self._detectors.report()},
        }

    def _median_mad(self, counts: Int64s) -> dict[str, Any]:
        threshold = mad_threshold(counts)
        flagged = {user: n for user, n in self._counts.items() if n > threshold}
        return {
            "about": f"events of a user above a modified z of {MAD_Z}: the median and the median "
                     "absolute deviation are not moved by the outliers themselves",
            "threshold": threshold if np.isfinite(threshold) else None,
            "flagged": [{"user_id": user, "count": n} for user, n in _most_first(flagged)],
        }


def mad_threshold(counts: Int64s) -> float:
    """The count at a modified z of `MAD_Z`; infinite when all counts are equal.

    z = 0.6745 (x - median) / MAD; where more than half of the counts are equal (MAD 0),
    z = (x - median) / (1.253314 * mean absolute deviation).
    """
    median = float(np.median(counts))
    deviations = np.abs(counts - median)
    spread = float(np.median(deviations)) / _MAD_OF_NORMAL
    if spread == 0.0:
        spread = float(deviations.mean()) * _MEAN_DEVIATION_OF_NORMAL
    return median + MAD_Z * spread if spread else np.inf


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
