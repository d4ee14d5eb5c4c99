"""The popularity bias of a log of recommendations, a record at a time.

Definitions are fixed, so that reports of other systems can be reproduced: see docs/fairness.md.
Memory grows with the number of different films, variants and segments, not with that of records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from recommender.arrays import Int64s
from recommender.audit.exposure import CatalogueExposure, catalogue_exposure, concentration
from recommender.audit.list_diversity import DiversitySum, GenreTable
from recommender.audit.log_records import (
    ItemId,
    Record,
    field_of,
    items_of,
    segment_of,
    variant_of,
)
from recommender.types import answer_failed


class _Tally:
    """What was shown under one variant, or without one."""

    def __init__(self, genres: GenreTable | None) -> None:
        self._shown: Counter[ItemId] = Counter()
        self.lists = 0
        self.diversity = None if genres is None else DiversitySum(genres)

    def add(self, items: list[ItemId]) -> None:
        self._shown.update(items)
        self.lists += 1
        if self.diversity is not None:
            self.diversity.add(items)

    @property
    def exposures(self) -> Counter[str]:
        """By id as text: numbers are turned into it once a film, not once a showing."""
        found: Counter[str] = Counter()
        for item_id, count in self._shown.items():
            found[str(item_id)] += count
        return found


class BiasScan:
    """Counts records; `report` may be asked for at any time.

    Args:
        top_percent: share of the shown films that are the head, above 0 up to 1.
        catalogue: ids of all films, None when not known.
        genres: genres by film id, None when not known.
    """

    def __init__(
        self, top_percent: float = 0.1, catalogue: Collection[str] | None = None,
        genres: Mapping[str, Iterable[str]] | None = None,
    ) -> None:  # fmt: skip
        self._top_percent = top_percent
        self._catalogue = None if catalogue is None else tuple(dict.fromkeys(catalogue))
        self._genres = None if genres is None else GenreTable(genres)
        self._tallies: dict[str | None, _Tally] = {}
        self._segments: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """One record; one without films, or of an answer that failed, adds nothing."""
        status = record.get("status")
        if type(status) is int and answer_failed(status):
            return
        items = items_of(record)
        if not items:
            return
        variant = variant_of(record)
        tally = self._tallies.get(variant)
        if tally is None:
            tally = self._tallies[variant] = _Tally(self._genres)
        tally.add(items)
        if variant is None:
            self._segments[segment_of(field_of(record, "user_id"))] += len(items)

    @property
    def usable(self) -> bool:
        """Whether anything was shown at all."""
        return bool(self._tallies)

    def report(self, lines_read: int, lines_unreadable: int) -> dict[str, Any]:
        """All measures, ready for JSON."""
        tallies = list(self._tallies.values())
        exposures: Counter[str] = Counter()
        for tally in tallies:
            exposures.update(tally.exposures)
        total = exposures.total()
        segments = self._segments + Counter(
            {name: tally.exposures.total() for name, tally in self._tallies.items() if name})
        return {
            **self._figures(exposures),
            "segment_exposure_share": {
                name: segments[name] / total for name in sorted(segments)},
            "lines_read": lines_read,
            "lines_unreadable": lines_unreadable,
            "catalog": self._catalogue_report(exposures),
            "intra_list_diversity": _mean_diversity(tallies),
            "variants": {name: self._variant(self._tallies[name])
                         for name in sorted(filter(None, self._tallies))},
        }  # fmt: skip

    def _figures(self, exposures: Mapping[str, int]) -> dict[str, Any]:
        found = concentration(_counts(exposures.values()), self._top_percent)
        return {
            "total_recommendations": found.total,
            "unique_items": found.unique_items,
            "top_percent": self._top_percent,
            "top_pop_share": found.top_share,
            "tail_share": found.tail_share,
            "gini_exposure": found.gini,
        }

    def _variant(self, tally: _Tally) -> dict[str, Any]:
        found = self._figures(tally.exposures)
        catalogue = self._catalogue_exposure(tally.exposures)
        return found | {
            "lists": tally.lists,
            "coverage": None if catalogue is None else catalogue.coverage,
            "catalog_gini": None if catalogue is None else catalogue.gini,
            "intra_list_diversity": _mean_diversity([tally]),
        }

    def _catalogue_exposure(self, exposures: Mapping[str, int]) -> CatalogueExposure | None:
        if self._catalogue is None:
            return None
        return catalogue_exposure(_counts(exposures.get(i, 0) for i in self._catalogue))

    def _catalogue_report(self, exposures: Mapping[str, int]) -> dict[str, Any] | None:
        found = self._catalogue_exposure(exposures)
        if found is None:
            return None
        return {
            "size": found.size,
            "coverage": found.coverage,
            "zero_exposure_items": found.zero_exposure_items,
            "zero_exposure_share": found.zero_exposure_share,
            "gini": found.gini,
            "tiers": [
                {"tier": tier.name, "items": tier.items, "catalog_share": tier.catalogue_share,
                 "recommendation_share": tier.recommendation_share,
                 "amplification": tier.amplification}
                for tier in found.tiers
            ],
        }  # fmt: skip


def _counts(values: Iterable[int]) -> Int64s:
    return np.fromiter(values, np.int64)


def _mean_diversity(tallies: Iterable[_Tally]) -> float | None:
    known = [tally.diversity for tally in tallies if tally.diversity is not None]
    return known[0].mean(*known[1:]) if known else None
