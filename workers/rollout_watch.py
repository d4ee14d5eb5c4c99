"""Keeps what answers equal to the rollout in the store: both arms loaded, one assignment."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

import structlog

from recommender.errors import ModelRefused, NotFound, RolloutConflict
from recommender.experiments.rollout import (
    CANDIDATE_ARM,
    STABLE_ARM,
    Rollout,
    RolloutChange,
    RolloutEnd,
    Strategy,
)
from recommender.experiments.rollout_choice import RolloutChoice, RolloutPlan
from recommender.ports import AllowList, Rollouts
from recommender.serving_state import ServedModel, ServingState
from recommender.types import LOADABLE, ModelRecord
from workers.rollout_control import RolloutControl

_log = structlog.get_logger(__name__)
Bundle = TypeVar("Bundle")
Configuration = TypeVar("Configuration")
ACTOR = "rollout watch"


class RolloutWatch(Generic[Bundle, Configuration]):
    """Polls the store. A model of an arm that is refused ends the rollout.

    Args:
        load: verifies and unpickles; raises ModelRefused.
        configure: the configuration of a model, its arm and the diversity of the arm.
        shadowed: told which configuration is asked behind, and which part of the requests; None
            for none.
        forget_lists: drops the lists that are kept. Those of the stable model would be answered at
            once where the candidate's have to be made, and the candidate would seem the slower.
    """

    def __init__(
        self, rollouts: Rollouts, allow_list: AllowList, control: RolloutControl,
        load: Callable[[ModelRecord], ServedModel[Bundle]], serving: ServingState[Bundle],
        choice: RolloutChoice[Configuration],
        configure: Callable[[ServedModel[Bundle], str, float | None], Configuration],
        shadowed: Callable[[Rollout, Configuration | None], None],
        forget_lists: Callable[[], None],
    ) -> None:  # fmt: skip
        self._rollouts = rollouts
        self._allow_list = allow_list
        self._control = control
        self._load = load
        self._serving = serving
        self._choice = choice
        self._configure = configure
        self._shadowed = shadowed
        self._forget_lists = forget_lists
        self._lock = Lock()
        self._known: tuple[str, int] | None = None
        self._loaded: dict[str, ServedModel[Bundle]] = {}
        self._last: Rollout | None = None

    def loaded(self, version_id: str) -> ServedModel[Bundle] | None:
        """A model of an arm, None when no rollout holds it."""
        return self._loaded.get(version_id)

    def update(self, change: RolloutChange, actor: str) -> Rollout | None:
        """As `RolloutControl.update`; in force in this process then, in others at their next poll.

        Raises:
            StoreUnavailable: it may have been changed; asking again does no harm.
        """
        rollout = self._control.update(change, actor)
        self.check()
        return rollout

    def check(self) -> bool:
        """One poll; True when something changed.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        with self._lock:
            rollout = self._rollouts.current()
            found = None if rollout is None else (rollout.name, rollout.revision)
            if found == self._known:
                return False
            if rollout is None:
                return self._stop(found)
            try:
                self._follow(rollout)
            except (ModelRefused, NotFound) as error:
                _log.error("rollout_refused", name=rollout.name, reason=str(error))
                try:
                    self._control.end(rollout, RolloutEnd.ROLLED_BACK, ACTOR, str(error))
                except RolloutConflict:
                    return False  # the next poll sees what it is now
                return self._stop(None)
            self._known, self._last = found, rollout
            return True

    def _follow(self, rollout: Rollout) -> None:
        wanted = {rollout.stable, rollout.candidate}
        self._loaded = {v: self._model(v) for v in sorted(wanted)}
        candidate = self._configure(
            self._loaded[rollout.candidate], CANDIDATE_ARM, rollout.diversity)
        if rollout.strategy is Strategy.SHADOW:
            self._choice.use(None)
            self._shadowed(rollout, candidate)
            return
        if self._last is not None:
            self._shadowed(self._last, None)
        stable = self._configure(self._loaded[rollout.stable], STABLE_ARM, None)
        self._choice.use(RolloutPlan(
            rollout.name, rollout.salt, rollout.candidate_percentage / 100.0, candidate, stable))
        self._forget_lists()

    def _model(self, version_id: str) -> ServedModel[Bundle]:
        current = self._serving.current()
        if current is not None and current.version_id == version_id:
            return current
        held = self._loaded.get(version_id)
        if held is not None:
            return held
        record = self._allow_list.find(version_id)
        if record is None:
            raise NotFound(f"there is no model {version_id}")
        if record.status not in LOADABLE:
            raise ModelRefused(version_id, "not_allowed", f"it is {record.status}")
        return self._load(record)

    def _stop(self, found: tuple[str, int] | None) -> bool:
        self._choice.use(None)
        if self._last is not None:
            self._shadowed(self._last, None)
        self._known, self._last, self._loaded = found, None, {}
        return True
