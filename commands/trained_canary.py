"""A model that passed the gate goes to a few users first, where the settings say so."""

from __future__ import annotations

import secrets

from commands.training_parts import TrainingParts
from recommender.errors import FairreelError
from recommender.experiments.rollout import RolloutChange, Strategy
from recommender.types import ModelRecord
from workers.rollout_control import RolloutControl


def begin_canary(parts: TrainingParts, record: ModelRecord, before: str | None, actor: str,
                 steps: tuple[float, ...]) -> str | None:
    """Begin a canary of a trained model; a sentence of what was done instead of serving it.

    None where it is to be served as without canaries: while no model serves, and where somebody
    chose otherwise, which serving then finds out.

    Args:
        before: version id of the model that served when the training began.
    """
    serving, choice = parts.allow_list.serving(), parts.allow_list.choice()
    if serving is None or serving.version_id != before:
        return None
    if choice is not None and not choice.automatic and choice.name != record.name:
        return None
    running = parts.rollouts.current()
    if running is not None:
        return f"Not served: the rollout {running.name} is under way."
    control = RolloutControl(
        parts.rollouts, parts.allow_list, parts.audit, lambda _: None, lambda _: None,
        parts.clock, lambda: secrets.token_hex(16), steps)
    try:
        begun = control.update(RolloutChange(Strategy.CANARY, record.version_id), actor)
    except FairreelError as error:
        return f"Not served: no canary could begin ({error})."
    assert begun is not None
    return f"Not served at once: the canary {begun.name} brings it to the users."
