"""Who gets which arm: a salted hash of user and experiment, so that it sticks without a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

_SCALE = 2.0**64


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of an experiment and the percentage of users who get it."""

    name: str
    percentage: float


def position(salt: str, experiment: str, user_id: str) -> float:
    """Where a user stands in an experiment, in [0, 1): the same each time, even over users.

    The salt keeps people from working out (and choosing) their arm, and the name of the
    experiment makes the positions of one user in two experiments independent. Lengths are hashed
    too: no two triples give the same text.
    """
    text = f"{len(salt)}:{salt}{len(experiment)}:{experiment}{user_id}"
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _SCALE


def arm_at(place: float, arms: Sequence[Arm]) -> str:
    """The arm at a position; the arms lie side by side from 0 in their order.

    With the candidate first and the control last a larger percentage only ever adds users to the
    candidate: nobody who had it loses it.

    Raises:
        ValueError: the percentages do not sum up to 100.
    """
    total = sum(arm.percentage for arm in arms)
    if abs(total - 100.0) > 1e-9:
        raise ValueError(f"the percentages of the arms sum up to {total}, not to 100")
    upper = 0.0
    for arm in arms:
        upper += arm.percentage / 100.0
        if place < upper:
            return arm.name
    return arms[-1].name
