"""Which people form a group: by how much they have seen, and by what an import told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.arrays import Bools, Int64s
from recommender.types import Person

MEDIUM_FROM, HIGH_ABOVE = 10, 30
"""Activity by films in the history: low below 10, medium 10 to 30, high above."""
AGE_BANDS = ((0, 17), (18, 24), (25, 34), (35, 49), (50, 150))
ACTIVITY = "activity"


@dataclass(frozen=True, eq=False)
class Group:
    """members: bool of shape (n_lists,), whose lists count."""

    family: str
    name: str
    members: Bools


def activity_groups(history_lengths: Int64s) -> list[Group]:
    """By the number of films in the history: int64 of shape (n_lists,)."""
    low, high = history_lengths < MEDIUM_FROM, history_lengths > HIGH_ABOVE
    return [Group(ACTIVITY, "low", low), Group(ACTIVITY, "medium", ~low & ~high),
            Group(ACTIVITY, "high", high)]


def demographic_groups(user_ids: Sequence[str], people: Mapping[str, Person]) -> list[Group]:
    """By gender, age band and occupation; people of whom nothing is known are in no group.

    Args:
        user_ids: whose each list is, n_lists ids.
        people: by user id.
    """
    members: dict[tuple[str, str], Bools] = {}
    for row, user_id in enumerate(user_ids):
        person = people.get(user_id)
        for label in _labels(person) if person else ():
            members.setdefault(label, np.zeros(len(user_ids), np.bool_))[row] = True
    return [Group(*label, members[label]) for label in sorted(members)]


def _labels(person: Person) -> list[tuple[str, str]]:
    found = [("gender", person.gender)] if person.gender else []
    if person.age is not None:
        found += [("age", f"{low}-{high}") for low, high in AGE_BANDS if low <= person.age <= high]
    return found + ([("occupation", person.occupation)] if person.occupation else [])
