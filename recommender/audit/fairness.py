"""The audit of a set of lists: exposure of films, diversity and quality of groups of people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from recommender.arrays import Bools, Float64s, Int64s
from recommender.audit.exposure import (
    Concentration,
    Tier,
    concentration,
    popularity_tiers,
    shown_tiers,
)
from recommender.audit.groups import ACTIVITY, Group
from recommender.audit.parity import (
    GroupResult,
    group_results,
    mean_over_people,
    spread_over_groups,
)
from recommender.audit.verdicts import (
    AuditPolicy,
    AuditStatus,
    RequirementResult,
    by_interval,
    by_value,
    worst,
)
from recommender.metrics import (
    Measured,
    coverage,
    exposure_interval,
    exposures_of,
    gini,
    intra_list_diversity,
    rarefied_coverage,
)

TOP_FILMS = 10
_CURVE_SIZES = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 3_000, 6_000)
_CURVE_DRAWS = 5


@dataclass(frozen=True, eq=False)
class AuditedLists:
    """One list a person, and what must be known of films and people to judge them.

    shown: int64 of shape (n_lists, k), index among the films of the active catalogue, negative
    where a list is shorter. taken_before: int64 of shape (n_items,), people who took each film
    before the lists were made. genres: n_genres names; genre_masks: bool of shape (n_genres,
    n_items). groups: whose lists form a group. gains: NDCG@k of each list, None without targets.
    people: all who could have a list. stand_ins: further lists that only count for their groups,
    such as those from truncated histories, with `stand_in_groups`.
    """

    shown: Int64s
    taken_before: Int64s
    genres: tuple[str, ...]
    genre_masks: Bools
    groups: tuple[Group, ...]
    people: int
    gains: Float64s | None = None
    gain_groups: tuple[Group, ...] = ()
    stand_ins: Int64s | None = None
    stand_in_group: str = ""
    notes: tuple[str, ...] = ()

    @property
    def n_items(self) -> int:
        """Films of the active catalogue."""
        return len(self.taken_before)


@dataclass(frozen=True, slots=True)
class GenreExposure:
    """Share of a genre in what is recommended, in the catalogue, and in what people took."""

    genre: str
    recommendation_share: float
    catalogue_share: float
    taken_share: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What coverage and Gini would be at fewer lists."""

    lists: int
    coverage: float
    gini: float


@dataclass(frozen=True, slots=True)
class FairnessReport:
    """All of it. lists: how many were judged; k: films a list. exposures: of the whole catalogue,
    int64 of shape (n_items,).
    """

    lists: int
    people: int
    k: int
    catalogue: int
    requirements: tuple[RequirementResult, ...]
    groups: tuple[GroupResult, ...]
    shown: Concentration
    tiers: tuple[Tier, ...]
    popularity_tiers: tuple[Tier, ...]
    genres: tuple[GenreExposure, ...]
    curve: tuple[CurvePoint, ...]
    exposures: Int64s = field(repr=False, compare=False)
    notes: tuple[str, ...] = field(default=())

    def requirement(self, name: str) -> RequirementResult:
        """The row of this name."""
        return next(row for row in self.requirements if row.name == name)


def audit_fairness(lists: AuditedLists, policy: AuditPolicy, seed: int = 0) -> FairnessReport:
    """Judge the lists; more than `policy.lists` are drawn down to that number at random."""
    lists = _drawn_down(lists, policy.lists, seed)
    exposures = exposures_of(lists.shown, lists.n_items)
    diversity = intra_list_diversity(lists.shown, lists.genre_masks)
    groups = group_results(lists.groups, diversity, None, policy.group_least,
                           policy.quality_ratio_min)
    quality = group_results(lists.gain_groups, np.full(_rows(lists.gains), np.nan), lists.gains,
                            policy.group_least, policy.quality_ratio_min)
    return FairnessReport(
        len(lists.shown), lists.people, lists.shown.shape[1], lists.n_items,
        (*_exposure_requirements(lists, policy), *_people_requirements(
            lists, policy, diversity, quality)),
        tuple(_merged(groups, quality)), concentration(exposures), shown_tiers(exposures),
        popularity_tiers(exposures, lists.taken_before), tuple(_genre_rows(lists, exposures)),
        tuple(_curve(lists, seed)), exposures, lists.notes,
    )  # fmt: skip


def top_share(exposures: Int64s) -> float:
    """Exposure of the 10 % most shown of the shown films / all."""
    return concentration(exposures).top_share


def tail_share(exposures: Int64s) -> float:
    """1 - `top_share`."""
    return concentration(exposures).tail_share


def shown_gini(exposures: Int64s) -> float:
    """Gini over the shown films alone."""
    return concentration(exposures).gini


def top_films_share(exposures: Int64s) -> float:
    """Exposure of the ten most shown films / all."""
    total = int(exposures.sum())
    return float(np.sort(exposures)[-TOP_FILMS:].sum() / total) if total else 0.0


@dataclass(frozen=True, slots=True)
class _ExposureRequirement:
    """A row of the table about films. `bound` is the name of the policy's field."""

    name: str
    measure: Callable[[Int64s], float]
    bound: str | None
    at_least: bool
    meaning: str
    target: bool = False


_EXPOSURE = (
    _ExposureRequirement("coverage", coverage, "coverage_min", True,
                         "share of the active catalogue that is shown to anybody"),
    _ExposureRequirement("gini", gini, "gini_max", False,
                         "inequality of exposure over the whole active catalogue, films never "
                         "shown too"),
    _ExposureRequirement("tail_share", tail_share, "tail_share_min", True,
                         "exposure outside the 10 % most shown films", target=True),
    _ExposureRequirement("shown_gini", shown_gini, "shown_gini_max", False,
                         "inequality among the films that are shown at all", target=True),
    _ExposureRequirement("top_share", top_share, "top_share_max", False,
                         "exposure of the 10 % most shown films", target=True),
    _ExposureRequirement("top_films_share", top_films_share, None, False,
                         "exposure of the ten most shown films"),
)


def _exposure_requirements(lists: AuditedLists, policy: AuditPolicy) -> list[RequirementResult]:
    n, rows = len(lists.shown), []
    enough = n > 0 and n >= min(policy.lists, lists.people)
    for one in _EXPOSURE:
        measured = exposure_interval(lists.shown, lists.n_items, one.measure) if n else None
        threshold = None if one.bound is None else float(getattr(policy, one.bound))
        status = AuditStatus.INSUFFICIENT_DATA
        if measured is not None and enough:
            status = (AuditStatus.PASS if threshold is None
                      else by_value(measured.value, threshold, one.at_least))
        rows.append(RequirementResult(
            one.name, status, measured, threshold, one.at_least, n, one.meaning,
            one.name in policy.enforced, one.target))
    return rows


def _people_requirements(
    lists: AuditedLists, policy: AuditPolicy, diversity: Float64s, quality: Sequence[GroupResult],
) -> list[RequirementResult]:  # fmt: skip
    known = diversity[~np.isnan(diversity)]
    mean = mean_over_people(known) if len(known) >= policy.group_least else None
    parity = _diversity_parity(lists, diversity, policy.group_least)
    overall = worst(row.status for row in quality)
    ratios = [row.quality for row in quality if row.quality is not None and row.status is overall]
    lowest = min(ratios, key=lambda ratio: ratio.value, default=None)
    return [
        RequirementResult(
            "diversity", AuditStatus.INSUFFICIENT_DATA if mean is None
            else by_value(mean.value, policy.diversity_min, at_least=True),
            mean, policy.diversity_min, True, len(known),
            "how different the genres within one list are", "diversity" in policy.enforced),
        RequirementResult(
            "diversity_parity", AuditStatus.INSUFFICIENT_DATA if parity is None
            else by_interval(parity, policy.diversity_parity_max, at_least=False),
            parity, policy.diversity_parity_max, False, len(known),
            "largest difference of that between people with few, some and many films",
            "diversity_parity" in policy.enforced),
        RequirementResult(
            "quality_parity", overall, lowest,
            policy.quality_ratio_min, True, _rows(lists.gains),
            "NDCG of the worst served group / that of all"),
    ]


def _diversity_parity(lists: AuditedLists, diversity: Float64s, least: int) -> Measured | None:
    values = []
    for group in lists.groups:
        if group.family != ACTIVITY:
            continue
        found = diversity[group.members]
        if group.name == lists.stand_in_group and lists.stand_ins is not None:
            found = intra_list_diversity(lists.stand_ins, lists.genre_masks)
        known = found[~np.isnan(found)]
        if len(known) >= least:
            values.append(known)
    return spread_over_groups(values) if len(values) > 1 else None


def _drawn_down(lists: AuditedLists, most: int, seed: int) -> AuditedLists:
    n = len(lists.shown)
    if n <= most:
        return lists
    rows = np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
    groups = tuple(Group(g.family, g.name, g.members[rows]) for g in lists.groups)
    return AuditedLists(
        lists.shown[rows], lists.taken_before, lists.genres, lists.genre_masks, groups,
        lists.people, lists.gains, lists.gain_groups, lists.stand_ins, lists.stand_in_group,
        (*lists.notes, f"{most} lists drawn at random from {n}"))


def _merged(
    groups: Sequence[GroupResult], quality: Sequence[GroupResult]
) -> list[GroupResult]:
    """Diversity is of those with a list, quality of those of whom it is known what they took."""
    by_name = {(row.family, row.name): row for row in quality}
    merged = []
    for row in groups:
        other = by_name.pop((row.family, row.name), None)
        merged.append(row if other is None else replace(
            row, status=other.status, quality=other.quality, quality_p=other.quality_p))
    return [*merged, *by_name.values()]


def _genre_rows(lists: AuditedLists, exposures: Int64s) -> list[GenreExposure]:
    masks = lists.genre_masks.astype(np.float64)
    shares = []
    for weights in (exposures, np.ones(lists.n_items), lists.taken_before):
        of_genre = masks @ weights.astype(np.float64)
        total = of_genre.sum()
        shares.append(of_genre / total if total else of_genre)
    return [GenreExposure(name, *(float(share[n]) for share in shares))
            for n, name in enumerate(lists.genres)]


def _curve(lists: AuditedLists, seed: int) -> list[CurvePoint]:
    n, random = len(lists.shown), np.random.default_rng(seed)
    sizes = [size for size in _CURVE_SIZES if size < n] + ([n] if n else [])
    covered = rarefied_coverage(lists.shown, lists.n_items, sizes)
    points = []
    for size, share in zip(sizes, covered.tolist(), strict=True):
        draws = [random.choice(n, size, replace=False) for _ in range(_CURVE_DRAWS)]
        found = [gini(exposures_of(lists.shown[rows], lists.n_items)) for rows in draws]
        points.append(CurvePoint(size, share, float(np.mean(found))))
    return points


def _rows(gains: Float64s | None) -> int:
    return 0 if gains is None else len(gains)
