"""How a measure is held against what is required of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from recommender.metrics import Measured


class AuditStatus(StrEnum):
    """INCONCLUSIVE: the interval holds the threshold. INSUFFICIENT_DATA: too few to judge by."""

    PASS = "PASS"  # noqa: S105 (no password)
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """What is required. Shares and Gini in [0, 1].

    lists: lists of k that exposure is judged at; fewer only where there are fewer users.
    group_least: people that a group needs to be judged. enforced: names of the requirements that
    refuse a model; the others warn.
    """

    coverage_min: float = 0.80
    gini_max: float = 0.72
    diversity_parity_max: float = 0.15
    diversity_min: float = 0.15
    tail_share_min: float = 0.70
    shown_gini_max: float = 0.35
    top_share_max: float = 0.30
    quality_ratio_min: float = 0.90
    echo_slope_max: float = 0.01
    lists: int = 6_000
    group_least: int = 30
    enforced: frozenset[str] = field(default_factory=lambda: frozenset({"coverage", "gini"}))


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """One row of the table of requirements.

    threshold: None for what is only reported. at_least: whether the measure must be at least the
    threshold; at most otherwise. target: a published target of other systems that conflicts with
    accuracy. enforced: the gate refuses models for it (`gate_requirements`). meaning: for people.
    lists: how many it was measured on.
    """

    name: str
    status: AuditStatus
    measured: Measured | None
    threshold: float | None
    at_least: bool
    lists: int
    meaning: str
    enforced: bool = False
    target: bool = False


def by_value(value: float, threshold: float, at_least: bool) -> AuditStatus:
    """For what is defined at a fixed number of lists: the value decides, the interval informs."""
    passed = value >= threshold if at_least else value <= threshold
    return AuditStatus.PASS if passed else AuditStatus.FAIL


def by_interval(measured: Measured, threshold: float, at_least: bool) -> AuditStatus:
    """For what is estimated from a sample of people: only what is certain passes or fails."""
    if measured.low is None or measured.high is None:
        return AuditStatus.INSUFFICIENT_DATA
    low, high = measured.low, measured.high
    if low >= threshold if at_least else high < threshold:
        return AuditStatus.PASS
    if high < threshold if at_least else low >= threshold:
        return AuditStatus.FAIL
    return AuditStatus.INCONCLUSIVE


def worst(statuses: Iterable[AuditStatus]) -> AuditStatus:
    """FAIL before INCONCLUSIVE before PASS; INSUFFICIENT_DATA when nothing else is known."""
    found = set(statuses)
    order = (AuditStatus.FAIL, AuditStatus.INCONCLUSIVE, AuditStatus.PASS)
    return next((status for status in order if status in found), AuditStatus.INSUFFICIENT_DATA)
