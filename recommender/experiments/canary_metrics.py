"""What a canary is judged on: each metric, which way is worse, and how much of it is tolerated."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from recommender.experiments.exposure_blocks import BLOCK_USERS
from recommender.user_groups import HIGH_ABOVE, MEDIUM_FROM

ERRORS = "error_rate"
LATENCY = "log_latency"
SUCCESS = "online_success"
TAIL = "tail_share"
CONCENTRATION = "exposure_concentration"
COVERAGE = "coverage"
GINI = "exposure_gini"
DIVERSITY = "intra_list_diversity"


@dataclass(frozen=True, slots=True)
class CanaryMetric:
    """A mean a request, compared between candidate and stable model.

    worse: +1 when a larger mean is worse, -1 when a smaller one is.
    tolerance: a difference to the worse that is no reason to roll back.
    margin: a difference that has to be ruled out before the candidate gets more users.
    Both are in units of the metric, or when `relative` parts of how far the stable model's mean
    lies from `origin`.
    required: whether too few users hold the candidate up.
    values_min: values an arm before it is judged, where a value is not of one user.
    users_per_value: of how many users a value is.
    prior_mean, prior_sd: where values lie, for the two pseudo-users that each arm is given.
    """

    name: str
    about: str
    worse: int
    tolerance: float
    margin: float
    relative: bool = False
    origin: float = 0.0
    required: bool = True
    values_min: int | None = None
    users_per_value: int = 1
    prior_mean: float = 0.0
    prior_sd: float = 0.0

    def in_units(self, stable_mean: float) -> tuple[float, float]:
        """Tolerance and margin in units of the metric."""
        factor = abs(stable_mean - self.origin) if self.relative else 1.0
        return self.tolerance * factor, self.margin * factor


BLOCKS_MIN = 25
"""Blocks of users before coverage and Gini are judged: 500 users an arm."""
GROUPS = ("low", "medium", "high")
"""Activity of a user by ratings and watches before, as in `user_groups`."""


def activity_group(interactions: int) -> str:
    """The group of a user with so many ratings and watches."""
    if interactions < MEDIUM_FROM:
        return GROUPS[0]
    return GROUPS[1] if interactions <= HIGH_ABOVE else GROUPS[2]


def success_of(group: str) -> str:
    """The metric of online success among users of this group."""
    return f"{SUCCESS}_{group}"


CANARY_METRICS: tuple[CanaryMetric, ...] = (
    CanaryMetric(ERRORS, "answers that failed", +1, tolerance=0.002, margin=0.02,
                 prior_mean=0.0, prior_sd=0.05),
    CanaryMetric(LATENCY, "natural logarithm of the time to answer", +1, tolerance=log(1.25),
                 margin=log(2.0), prior_mean=0.0, prior_sd=0.0),
    CanaryMetric(SUCCESS, "a film of the list watched within the window", -1, tolerance=0.0,
                 margin=0.10, relative=True, prior_mean=0.25, prior_sd=0.43),
    *(CanaryMetric(success_of(group), f"the same among users of {group} activity", -1,
                   tolerance=0.0, margin=0.20, relative=True, required=False, prior_mean=0.25,
                   prior_sd=0.43)
      for group in GROUPS),
    CanaryMetric(TAIL, "films outside the 10 % most popular of the list", -1, tolerance=0.05,
                 margin=0.15, prior_mean=0.5, prior_sd=0.3),
    CanaryMetric(CONCENTRATION, "films that two users' lists have in common", +1,
                 tolerance=0.05, margin=0.15, prior_mean=0.1, prior_sd=0.2),
    CanaryMetric(DIVERSITY, "1 - mean pairwise Jaccard of genres of the list", -1,
                 tolerance=0.05, margin=0.15, prior_mean=0.7, prior_sd=0.2),
    CanaryMetric(COVERAGE, "films shown at least once / catalogue, in the lists of 20 users", -1,
                 tolerance=0.10, margin=0.20, relative=True, required=False,
                 values_min=BLOCKS_MIN, users_per_value=BLOCK_USERS),
    CanaryMetric(GINI, "Gini index of exposure over the catalogue, in the lists of 20 users", +1,
                 tolerance=0.10, margin=0.20, relative=True, origin=1.0, required=False,
                 values_min=BLOCKS_MIN, users_per_value=BLOCK_USERS),
)
