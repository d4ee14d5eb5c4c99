"""On whom a new model is compared with the serving one.

Anyone can register accounts, any number of them. With everybody in one mean, accounts whose next
film is easy to foresee hide that the others are served worse. So only those count whom the data
of the serving model knows: an account made since can change the model, not the judgement of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recommender.arrays import Bools
from recommender.interactions import Interactions
from recommender.split import (
    LEAST_USERS,
    Split,
    SplitName,
    leave_last_out_instead,
    split_interactions,
)


@dataclass(frozen=True, eq=False)
class JudgedUsers:
    """rows: bool of shape (n,), which of the n users of a split count. described: for people."""

    rows: Bools
    described: str


def known_users(interactions: Interactions, own: Interactions) -> Bools:
    """Which users have an entry in `own`: bool of shape (n_users,)."""
    ids = frozenset(own.user_ids)
    return np.fromiter((user in ids for user in interactions.user_ids), np.bool_,
                       interactions.n_users)


def judging_split(interactions: Interactions, name: SplitName,
                  known: Bools | None) -> tuple[Split, JudgedUsers]:
    """Part by the named split and choose whom to compare on.

    A flood of new events moves the cut of the temporal split until nobody known has a film after
    it; then the last film of everybody is left out, which no other account can take away. Only
    where the serving model itself knew fewer than `LEAST_USERS` of today's users, with whom a
    mean says nothing, all count: that is a young store, not one under attack.

    Args:
        interactions: what is parted.
        name: how.
        known: of shape (n_users,), whom the data of the serving model knows; None when that data
            is no longer there, and all count.
    """
    first = split_interactions(interactions, name)
    n = len(first.users)
    if known is None:
        return first, _all(n, "what the serving model was fitted on is no longer there")
    most = 0
    for split in _splits(interactions, first):
        rows = known[split.users]
        found = int(rows.sum())
        if found >= LEAST_USERS:
            whom = f"{found} users known to the serving model of {len(rows)}"
            return split, JudgedUsers(rows, whom)
        most = max(most, found)
    return first, _all(n, f"the serving model knows {most} of them, fewer than {LEAST_USERS}")


def _splits(interactions: Interactions, first: Split) -> Iterator[Split]:
    yield first
    if first.used is SplitName.TEMPORAL:
        yield leave_last_out_instead(interactions, first.requested)


def _all(n: int, reason: str) -> JudgedUsers:
    return JudgedUsers(np.ones(n, np.bool_), f"all {n} users, as {reason}")
