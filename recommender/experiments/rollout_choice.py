"""By what a user is answered while a rollout runs. On the hot path: one hash a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from recommender.experiments.assignment import position

Configuration = TypeVar("Configuration")

HOLDOUT = "holdout"
"""The experiment of those who are kept apart."""


@dataclass(frozen=True, slots=True)
class RolloutPlan(Generic[Configuration]):
    """A rollout ready to answer by: both arms are loaded. `share` of the users, 0 to 1."""

    name: str
    salt: str
    share: float
    candidate: Configuration
    stable: Configuration


class RolloutChoice(Generic[Configuration]):
    """The configuration of a user; swapped by one assignment, safe for many threads.

    Args:
        newest: the configuration of everybody while no rollout runs, None before a first model.
        unpersonal: the configuration without personalisation, of the same model.
        holdout_share: of users who get it at all times, 0 to 1.
        holdout_salt: divides them from the others.
    """

    def __init__(self, newest: Callable[[str], Configuration | None],
                 unpersonal: Callable[[Configuration], Configuration] | None = None,
                 holdout_share: float = 0.0, holdout_salt: str = "") -> None:
        self._newest = newest
        self._unpersonal = unpersonal
        self._holdout_share = holdout_share if unpersonal is not None else 0.0
        self._holdout_salt = holdout_salt
        self._plan: RolloutPlan[Configuration] | None = None
        self._held_apart: tuple[Configuration, Configuration] | None = None

    def use(self, plan: RolloutPlan[Configuration] | None) -> None:
        """Answer by this plan from now on, by the newest model without one."""
        self._plan = plan

    def plan(self) -> RolloutPlan[Configuration] | None:
        """What is in use."""
        return self._plan

    def __call__(self, user_id: str, /) -> Configuration | None:
        """By what this user is answered now."""
        plan = self._plan
        if plan is None:
            chosen = self._newest(user_id)
        elif position(plan.salt, plan.name, user_id) < plan.share:
            chosen = plan.candidate
        else:
            chosen = plan.stable
        if not self._holdout_share or chosen is None or self._unpersonal is None:
            return chosen
        if position(self._holdout_salt, HOLDOUT, user_id) < self._holdout_share:
            return self._apart(chosen if plan is None else plan.stable, self._unpersonal)
        return chosen

    def _apart(self, of: Configuration,
               unpersonal: Callable[[Configuration], Configuration]) -> Configuration:
        known = self._held_apart
        if known is None or known[0] is not of:
            known = self._held_apart = of, unpersonal(of)
        return known[1]
