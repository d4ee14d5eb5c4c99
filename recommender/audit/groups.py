"""Groups of people as the audits report them: a family, such as gender, and a name in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recommender.arrays import Bools

ACTIVITY = "activity"
FAMILIES = (ACTIVITY, "gender", "age", "occupation")
"""The families whose groups are judged; groups by taste are left to the gate."""


@dataclass(frozen=True, eq=False)
class Group:
    """members: bool of shape (n_lists,), whose lists count."""

    family: str
    name: str
    members: Bools


def judged_groups(groups: Mapping[str, Bools]) -> tuple[Group, ...]:
    """Those of `FAMILIES` among groups named as in `recommender.user_groups`."""
    named = ((*name.partition(" "), members) for name, members in groups.items())
    return tuple(Group(family, name, members) for family, _, name, members in named
                 if family in FAMILIES)
