"""A switch by hand ends the rollout: what was chosen is to answer everybody."""

from __future__ import annotations

from typing import Generic, TypeVar

from recommender.errors import RolloutConflict
from recommender.experiments.rollout import RolloutEnd
from recommender.ports import Rollouts
from recommender.serving_state import ServedModel
from workers.model_watch import ModelWatch
from workers.rollout_control import RolloutControl

Bundle = TypeVar("Bundle")


class SwitchEndsRollout(Generic[Bundle]):
    """`switch` and `rollback` as of the model watch, then the end of what runs."""

    def __init__(self, watch: ModelWatch[Bundle], rollouts: Rollouts,
                 control: RolloutControl) -> None:
        self._watch = watch
        self._rollouts = rollouts
        self._control = control

    def switch(self, reference: str, actor: str) -> ServedModel[Bundle]:
        """As `ModelWatch.switch`."""
        served = self._watch.switch(reference, actor)
        self._end(actor, served.version_id)
        return served

    def rollback(self, reference: str | None, actor: str) -> ServedModel[Bundle]:
        """As `ModelWatch.rollback`."""
        served = self._watch.rollback(reference, actor)
        self._end(actor, served.version_id)
        return served

    def _end(self, actor: str, version_id: str) -> None:
        running = self._rollouts.current()
        if running is None:
            return
        try:
            self._control.end(running, RolloutEnd.SUPERSEDED, actor, f"by a switch to {version_id}")
        except RolloutConflict:
            # Moved in between, as by a canary: once more, for the switch is the later word.
            moved = self._rollouts.current()
            if moved is not None:
                self._control.end(moved, RolloutEnd.SUPERSEDED, actor,
                                  f"by a switch to {version_id}")
