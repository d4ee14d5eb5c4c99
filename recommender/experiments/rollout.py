"""How a change of the model reaches the users: the state of a rollout and its allowed changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from recommender.errors import InvalidField
from recommender.experiments.assignment import Arm, arm_at, position

CANDIDATE_ARM = "B"
STABLE_ARM = "A"


class Strategy(StrEnum):
    """Who is answered by the candidate.

    FIXED: nobody, there is none. CANARY: a part that grows by itself while nothing gets worse.
    AB_TEST: a part that stays, to compare. SHADOW: nobody, but it is asked the same behind.
    """

    FIXED = "fixed"
    CANARY = "canary"
    AB_TEST = "ab_test"
    SHADOW = "shadow"


class RolloutEnd(StrEnum):
    """How a rollout ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    STOPPED = "stopped"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Rollout:
    """One rollout, running while `ended_at_ms` is None. Times are UTC milliseconds.

    name: also the experiment's. stable, candidate: version ids of the arms A and B, fixed while
    it runs. diversity: strength of the diversity boost of the candidate's arm, None for that of
    the settings. percentage: users (in shadow: requests) of the candidate. steps: those of a
    canary. salt: of the assignment. step_since_ms: when the percentage was last changed; a canary
    is judged on what came since. revision: grows with each change. results: what was last found.
    """

    name: str
    strategy: Strategy
    stable: str
    candidate: str
    percentage: float
    steps: tuple[float, ...]
    salt: str
    started_at_ms: int
    step_since_ms: int
    changed_by: str
    diversity: float | None = None
    reason: str = ""
    revision: int = 1
    ended_at_ms: int | None = None
    outcome: RolloutEnd | None = None
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.ended_at_ms is None

    @property
    def candidate_percentage(self) -> float:
        """Percentage of users who are answered by the candidate."""
        return 0.0 if self.strategy is Strategy.SHADOW else self.percentage

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """The candidate's arm first: a growing percentage takes it from nobody."""
        share = self.candidate_percentage
        return Arm(CANDIDATE_ARM, share), Arm(STABLE_ARM, 100.0 - share)

    def ran_at(self, at_ms: int) -> bool:
        """Whether it had begun and not ended then."""
        return self.started_at_ms <= at_ms and (
            self.ended_at_ms is None or at_ms < self.ended_at_ms)

    def arm_of(self, user_id: str) -> str:
        """The arm that this user has at the percentage of now."""
        return arm_at(position(self.salt, self.name, user_id), self.arms)

    def assignment_of(self, user_id: str) -> str:
        """Why this user has their arm, in a sentence; by the percentage that it had last."""
        place = position(self.salt, self.name, user_id)
        return (f"in {self.name} the user stands at {place:.2%} of all; below "
                f"{self.candidate_percentage:g} % is {CANDIDATE_ARM}, above {STABLE_ARM}")

    def described(self) -> str:
        """In one line, for the audit log."""
        return describe(self.strategy, self.candidate, self.percentage)


@dataclass(frozen=True, slots=True)
class RolloutChange:
    """What is asked for. `candidate` is a version id, integer version or model name."""

    strategy: Strategy
    candidate: str | None = None
    percentage: float | None = None
    diversity: float | None = None
    name: str | None = None

    def check_end(self) -> None:
        """That `fixed` asks for nothing more than the end of what runs.

        Raises:
            InvalidField: something else is asked for too, and would be passed over.
        """
        asked = (("canary_version", self.candidate), ("canary_percentage", self.percentage),
                 ("diversity", self.diversity), ("name", self.name))
        for field_name, value in asked:
            if value is not None:
                raise InvalidField(field_name, "is not for fixed, which only ends what runs; POST "
                                   "/switch?model= serves another model to everybody")


def describe(strategy: Strategy, candidate: str | None, percentage: float) -> str:
    """Strategy, candidate and percentage in one line."""
    if strategy is Strategy.FIXED:
        return strategy.value
    return f"{strategy.value} {candidate} {percentage:g} %"


def new_rollout(name: str, strategy: Strategy, stable: str, candidate: str,
                percentage: float | None, steps: tuple[float, ...], salt: str, at_ms: int,
                actor: str, diversity: float | None = None, reason: str = "") -> Rollout:
    """The rollout to start.

    Args:
        percentage: None for the first step of a canary, half of the users in an A/B test, all
            requests in shadow.

    Raises:
        InvalidField: it would be none, compare a model with itself, reach everybody at once, or
            judge a boost that its end could not keep.
    """
    if strategy is Strategy.FIXED:
        raise InvalidField("strategy", "fixed ends a rollout, it starts none")
    if strategy is Strategy.CANARY and diversity is not None:
        # Promoted, the candidate would serve without what it was judged with.
        raise InvalidField("diversity", "a canary ends by serving a model, and a boost is no part "
                           "of one: try it by an ab_test or a shadow, then set FAIRREEL_RERANK")
    if candidate == stable and diversity is None:
        raise InvalidField("canary_version", "is the version that serves; an ab_test or a shadow "
                           "may compare it with itself under another diversity")
    if percentage is None:
        percentage = {Strategy.CANARY: steps[0], Strategy.AB_TEST: 50.0}.get(strategy, 100.0)
    _check_percentage(strategy, percentage)
    return Rollout(name, strategy, stable, candidate, percentage, steps, salt, at_ms, at_ms, actor,
                   diversity, reason)


def moved(rollout: Rollout, percentage: float, at_ms: int, actor: str, reason: str) -> Rollout:
    """The same rollout with another percentage from now on.

    Raises:
        InvalidField: everybody or nobody would get the candidate.
    """
    _check_percentage(rollout.strategy, percentage)
    return replace(rollout, percentage=percentage, step_since_ms=at_ms, changed_by=actor,
                   reason=reason, revision=rollout.revision + 1)


def ended(rollout: Rollout, outcome: RolloutEnd, at_ms: int, actor: str, reason: str) -> Rollout:
    """The rollout at its end."""
    return replace(rollout, ended_at_ms=at_ms, outcome=outcome, changed_by=actor, reason=reason,
                   revision=rollout.revision + 1)


def _check_percentage(strategy: Strategy, percentage: float) -> None:
    most_in = strategy is Strategy.SHADOW
    if not (0 < percentage < 100 or (most_in and percentage == 100)):
        raise InvalidField(
            "canary_percentage", "must be above 0 and below 100 (in shadow at most 100)")
