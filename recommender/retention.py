"""Which models are old enough to go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from recommender.types import ModelRecord, ModelStatus

ORPHAN_AFTER_MS = 24 * 3_600_000
"""Model files of no record are taken for being published for this long, then for left behind."""
_ALWAYS_KEPT = {ModelStatus.SERVING, ModelStatus.PREVIOUS, ModelStatus.CANDIDATE}


def models_to_retire(records: Iterable[ModelRecord], keep: int) -> list[ModelRecord]:
    """All but the newest `keep` of each model name, oldest first.

    Serving, previous and candidate models stay whatever their age, and take a place among those
    kept. Refused models are counted apart: a row of refusals never pushes out a good model.
    """
    counts: Counter[tuple[str, bool]] = Counter()
    old = []
    for record in sorted(records, key=lambda r: r.version, reverse=True):
        if record.status is ModelStatus.RETIRED:
            continue
        group = (record.name, record.status is ModelStatus.REFUSED)
        counts[group] += 1
        if counts[group] > keep and record.status not in _ALWAYS_KEPT:
            old.append(record)
    return old[::-1]
