"""Starts, moves and ends rollouts; every change is audited with who, when, from and to."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from recommender.errors import InvalidField, NotFound, RolloutConflict
from recommender.experiments.canary import STEPS
from recommender.experiments.rollout import (
    Rollout,
    RolloutChange,
    RolloutEnd,
    Strategy,
    describe,
    ended,
    moved,
    new_rollout,
)
from recommender.ports import AllowList, AuditLog, Rollouts
from recommender.types import AuditEntry, ModelRecord, ModelStatus

_log = structlog.get_logger(__name__)
NOTHING = Strategy.FIXED.value


class RolloutControl:
    """Safe for many threads and processes: a change that meets another one is refused.

    Args:
        verify: raises ModelRefused for a model that may not be loaded.
        decided: told of each change, as for the topic of experiments.
        clock: UTC milliseconds.
        new_salt: text that nobody can guess.
        steps: percentages of a canary, ascending.
        diversity: strength of arm B in an A/B test of the serving model with itself; None when
            lists cannot be diversified.
    """

    def __init__(
        self, rollouts: Rollouts, allow_list: AllowList, audit: AuditLog,
        verify: Callable[[ModelRecord], object], decided: Callable[[Rollout], None],
        clock: Callable[[], int], new_salt: Callable[[], str],
        steps: tuple[float, ...] = STEPS, diversity: float | None = None,
    ) -> None:  # fmt: skip
        self._rollouts = rollouts
        self._allow_list = allow_list
        self._audit = audit
        self._verify = verify
        self._decided = decided
        self._clock = clock
        self._new_salt = new_salt
        self._steps = steps
        self._diversity = diversity

    def update(self, change: RolloutChange, actor: str) -> Rollout | None:
        """Bring about what is asked for; the rollout that runs then, None for none.

        Asking for the running strategy and candidate again moves the percentage; another one ends
        what runs. `fixed` ends it and leaves the stable model serving.

        Raises:
            InvalidField, NotFound, ModelRefused: nothing was changed.
            RolloutConflict: somebody else changed it meanwhile.
        """
        current = self._rollouts.current()
        if change.strategy is Strategy.FIXED:
            change.check_end()
            if current is not None:
                self.end(current, RolloutEnd.STOPPED, actor, "asked for")
            return None
        wanted = self._wanted(change, actor)
        if current is not None and _same_comparison(current, wanted):
            if change.percentage in (None, current.percentage):
                return current
            return self.move(current, wanted.percentage, actor, "asked for")
        if self._rollouts.find(wanted.name) is not None:
            raise InvalidField("name", "there was an experiment of this name already")
        if current is not None:
            self.end(current, RolloutEnd.SUPERSEDED, actor, f"by {wanted.name}")
        return self._start(wanted, current, actor)

    def move(self, rollout: Rollout, percentage: float, actor: str, reason: str) -> Rollout:
        """Give the candidate this percentage from now on.

        Raises:
            RolloutConflict: somebody else changed it meanwhile.
        """
        after = moved(rollout, percentage, self._clock(), actor, reason)
        self._store(rollout, after)
        return after

    def promote(self, rollout: Rollout, actor: str, reason: str) -> Rollout:
        """Serve the candidate to everybody.

        Raises:
            RolloutConflict: somebody else changed it meanwhile; nothing was done.
            ModelRefused: the candidate may not be served any more; nothing was done.
        """
        record = self._allow_list.find(rollout.candidate)
        if record is None:
            raise NotFound(f"there is no model {rollout.candidate}")
        self._verify(record)
        after = ended(rollout, RolloutEnd.PROMOTED, self._clock(), actor, reason)
        self._store(rollout, after, self._rollouts.promote)
        return after

    def end(self, rollout: Rollout, outcome: RolloutEnd, actor: str, reason: str) -> Rollout:
        """End it: the stable model serves everybody from now on.

        Raises:
            RolloutConflict: somebody else changed it meanwhile.
        """
        after = ended(rollout, outcome, self._clock(), actor, reason)
        self._store(rollout, after)
        self._mark(rollout.candidate, ModelStatus.CANDIDATE, ModelStatus.AVAILABLE,
                   f"{outcome.value}: {reason}")
        return after

    def _wanted(self, change: RolloutChange, actor: str) -> Rollout:
        serving = self._allow_list.serving()
        if serving is None:
            raise NotFound("no model serves yet: there is nothing to compare with")
        reference, diversity = change.candidate, change.diversity
        if reference is None:
            if change.strategy is Strategy.AB_TEST and diversity is None:
                diversity = self._diversity
            if diversity is None:
                raise InvalidField("canary_version", "is needed: the model to compare")
            reference = serving.version_id
        if diversity is not None and self._diversity is None:
            raise InvalidField("diversity", "nothing here diversifies lists")
        record = self._allow_list.find(reference)
        if record is None:
            raise NotFound(f"there is no model {reference}")
        self._verify(record)
        at_ms = self._clock()
        name = change.name or f"{change.strategy.value}-{record.version}-{at_ms}"
        return new_rollout(name, change.strategy, serving.version_id, record.version_id,
                           change.percentage, self._steps, self._new_salt(), at_ms, actor,
                           diversity, "asked for")

    def _start(self, rollout: Rollout, before: Rollout | None, actor: str) -> Rollout:
        if not self._rollouts.start(rollout):
            raise RolloutConflict("another rollout was begun meanwhile")
        self._mark(rollout.candidate, ModelStatus.AVAILABLE, ModelStatus.CANDIDATE, None)
        was = NOTHING if before is None else before.described()
        self._note(rollout, actor, was, rollout.described(), "asked for")
        return rollout

    def _store(self, before: Rollout, after: Rollout,
               store: Callable[[Rollout], bool] | None = None) -> None:
        if not (store or self._rollouts.change)(after):
            raise RolloutConflict(f"{before.name} was changed by somebody else meanwhile")
        to = after.described()
        if after.outcome is not None:
            to = after.outcome.value
            if after.outcome is RolloutEnd.PROMOTED:
                to += f" {describe(Strategy.FIXED, None, 0)} {after.candidate}"
        self._note(after, after.changed_by, before.described(), to, after.reason)

    def _note(self, rollout: Rollout, actor: str, was: str, now: str, reason: str) -> None:
        at_ms = self._clock()
        self._audit.append(AuditEntry(
            at_ms, actor, "rollout_update", rollout.name, "done",
            f"from {was} to {now}: {reason}"))
        _log.info("rollout_changed", name=rollout.name, was=was, now=now, actor=actor,
                  reason=reason)
        self._decided(rollout)

    def _mark(self, version_id: str, was: ModelStatus, now: ModelStatus,
              reason: str | None) -> None:
        """A candidate's files are kept whatever their age."""
        record = self._allow_list.find(version_id)
        if record is not None and record.status is was:
            self._allow_list.set_status(version_id, now, self._clock(), reason)


def _same_comparison(one: Rollout, other: Rollout) -> bool:
    return (one.strategy, one.candidate, one.diversity) == (
        other.strategy, other.candidate, other.diversity)
