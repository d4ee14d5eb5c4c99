"""Parting interactions into what models are fitted on and the films they should have foreseen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from recommender.arrays import Bools, Int32s
from recommender.interactions import Interactions

TEMPORAL_QUANTILE = 0.9
LEAST_USERS = 30
"""Fewer users than this say nothing; the temporal split then gives way to leave-last-out."""


class SplitName(StrEnum):
    """How to part."""

    TEMPORAL = "temporal"
    LEAVE_LAST_OUT = "leave_last_out"


@dataclass(frozen=True, eq=False)
class Split:
    """Training interactions and, for some users, the film that came next.

    requested, used: they differ when the temporal split found too few users.
    training: same users and films as the whole. users: int32 of shape (n,), user indexes; the
    history of each is the user's part of `training`. targets: int32 of shape (n,), film indexes.
    cut_ms: every target is later than this; a model whose watermark is not was not fitted on any.
    """

    requested: SplitName
    used: SplitName
    training: Interactions
    users: Int32s
    targets: Int32s
    cut_ms: int

    def without_answers(self, other: Interactions) -> Interactions:
        """What of older data of the same store may be fitted on without knowing the targets.

        After a temporal split: what lies before the cut. Where that is nothing, and after
        leave-last-out, all but the (user, target) pairs.
        """
        if self.used is SplitName.TEMPORAL:
            before = other.timestamps <= self.cut_ms
            if before.any():
                return other.select(before)
        users, items = self.training.user_ids, self.training.item_ids
        answers = {(users[user], items[item])
                   for user, item in zip(self.users.tolist(), self.targets.tolist(), strict=True)}
        pairs = zip(other.entry_users().tolist(), other.items.tolist(), strict=True)
        keep = [(other.user_ids[user], other.item_ids[item]) not in answers
                for user, item in pairs]
        return other.select(np.array(keep, np.bool_))

    def only(self, rows: Bools) -> Split:
        """The split with those users alone for whom `rows` (bool of shape (n,)) holds."""
        return replace(self, users=self.users[rows], targets=self.targets[rows])


def split_interactions(interactions: Interactions, name: SplitName) -> Split:
    """Part by the named split; temporal gives way to leave-last-out with too few users."""
    if name is SplitName.TEMPORAL:
        split = temporal(interactions)
        if len(split.users) >= LEAST_USERS:
            return split
    return leave_last_out_instead(interactions, name)


def leave_last_out_instead(interactions: Interactions, requested: SplitName) -> Split:
    """`leave_last_out`, where another split may have been asked for."""
    return replace(leave_last_out(interactions), requested=requested)


def temporal(interactions: Interactions, quantile: float = TEMPORAL_QUANTILE) -> Split:
    """One cut in time for all, at a quantile of the entries' times.

    Training: entries up to the cut. Target: a user's first film after the cut that the user had
    not taken before it, for users with a history before the cut. A film taken before the cut and
    again after it is in neither part: only its later state is known.
    """
    times = interactions.timestamps
    cut_ms = int(np.quantile(times, quantile, method="lower")) if len(times) else 0
    before = times <= cut_ms
    training = interactions.select(before)
    unseen = np.flatnonzero(interactions.first_timestamps > cut_ms)
    owners, first = np.unique(interactions.entry_users()[unseen], return_index=True)
    known = np.diff(training.user_offsets)[owners] > 0
    return Split(SplitName.TEMPORAL, SplitName.TEMPORAL, training,
                 owners[known].astype(np.int32),
                 interactions.items[unseen[first[known]]], cut_ms)


def leave_last_out(interactions: Interactions) -> Split:
    """Target: the last film of each user with at least two. Training: all the other entries."""
    counts = np.diff(interactions.user_offsets)
    users = np.flatnonzero(counts >= 2).astype(np.int32)
    last = interactions.user_offsets[users + 1] - 1
    keep = np.ones(len(interactions.items), np.bool_)
    keep[last] = False
    cut_ms = int(interactions.timestamps[last].min()) - 1 if len(last) else 0
    return Split(SplitName.LEAVE_LAST_OUT, SplitName.LEAVE_LAST_OUT, interactions.select(keep),
                 users, interactions.items[last], cut_ms)
