"""Parting interactions into what models are fitted on and the films they should have foreseen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from recommender.arrays import Bools, Int32s, Int64s
from recommender.interactions import Interactions

TEMPORAL_QUANTILE = 0.9
VALIDATION_QUANTILE = 0.8
"""Of three parts: training up to here, validation up to `TEMPORAL_QUANTILE`, then test."""
HELD_OUT_SHARE = 0.1
"""Users whom the split by user keeps from training."""
KNOWN_EVENTS = 5
"""First films of a user held out that are the history to recommend from."""
LEAST_USERS = 30
"""Fewer users than this say nothing; the temporal split then gives way to leave-last-out."""


class SplitName(StrEnum):
    """How to part."""

    TEMPORAL = "temporal"
    LEAVE_LAST_OUT = "leave_last_out"
    BY_USER = "by_user"


JUDGING_SPLITS = (SplitName.TEMPORAL, SplitName.LEAVE_LAST_OUT)
"""What a training may judge by: on users whom the serving model knows, which by user has none."""


class Part(StrEnum):
    """Which of the two held-out parts is looked at: choices are made on the first alone."""

    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, eq=False)
class Later:
    """All films that each user took later.

    offsets: int64 of shape (n + 1,). items: int32, film indexes; those of the i-th user of the
    split are [offsets[i], offsets[i + 1]), each film at most once.
    """

    offsets: Int64s
    items: Int32s

    @property
    def counts(self) -> Int64s:
        """Films per user: int64 of shape (n,)."""
        return np.diff(self.offsets)

    def only(self, rows: Bools) -> Later:
        """Those of the users alone for whom `rows` (bool of shape (n,)) holds."""
        offsets = np.concatenate(([0], np.cumsum(self.counts[rows]))).astype(np.int64)
        return Later(offsets, self.items[np.repeat(rows, self.counts)])

    def found_in(self, shown: Int64s) -> Bools:
        """Which places of the lists hold such a film: bool of the shape of `shown`, (n, k)."""
        width = int(max(shown.max(initial=-1), self.items.max(initial=-1))) + 2
        owners = np.repeat(np.arange(len(self.counts)), self.counts)
        taken = owners * width + self.items
        asked = np.arange(len(shown))[:, None] * width + np.where(shown < 0, width - 1, shown)
        return np.isin(asked, taken)


@dataclass(frozen=True, eq=False)
class Split:
    """Training interactions and, for some users, the film that came next.

    requested, used: they differ when the temporal split found too few users.
    training: same users and films as the whole. users: int32 of shape (n,), user indexes; the
    history of each is the user's part of `histories`. targets: int32 of shape (n,), film indexes.
    cut_ms: every target is later than this; a model whose watermark is not was not fitted on any.
    later: all films that each took later, the target among them.
    histories: that of training, but for users who take no part in it.
    """

    requested: SplitName
    used: SplitName
    training: Interactions
    users: Int32s
    targets: Int32s
    cut_ms: int
    later: Later
    histories: Interactions

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
        return replace(self, users=self.users[rows], targets=self.targets[rows],
                       later=self.later.only(rows))


def split_interactions(interactions: Interactions, name: SplitName) -> Split:
    """Part by the named split; temporal gives way to leave-last-out with too few users."""
    return held_out(interactions, name, Part.TEST)


def held_out(interactions: Interactions, name: SplitName, part: Part) -> Split:
    """The validation or the test part, where the data is parted in three.

    Temporal: 80 / 10 / 10 in the order of time, and leave-last-out with too few users. Leave last
    out: the last film is the test, the one before it validation. By user: the users held out for
    validation are others than those for the test. Nothing of the test part is in what the
    validation part trains on or judges by.
    """
    testing = part is Part.TEST
    if name is SplitName.BY_USER:
        split = by_user(interactions)
        return split if testing else by_user(split.training)
    if name is SplitName.TEMPORAL:
        split = temporal(interactions) if testing else temporal(
            interactions, VALIDATION_QUANTILE, TEMPORAL_QUANTILE)
        if len(split.users) >= LEAST_USERS:
            return split
    if not testing:
        interactions = leave_last_out(interactions).training
    return leave_last_out_instead(interactions, name)


def leave_last_out_instead(interactions: Interactions, requested: SplitName) -> Split:
    """`leave_last_out`, where another split may have been asked for."""
    return replace(leave_last_out(interactions), requested=requested)


def temporal(interactions: Interactions, quantile: float = TEMPORAL_QUANTILE,
             until: float = 1.0) -> Split:
    """One cut in time for all, at a quantile of the entries' times.

    Training: entries up to the cut. Target: a user's first film after the cut that the user had
    not taken before it, for users with a history before the cut. A film taken before the cut and
    again after it is in neither part: only its later state is known. What is first known after
    the quantile `until` is left alone, for a later test.
    """
    times = interactions.timestamps
    cut_ms, end_ms = (int(np.quantile(times, at, method="lower")) if len(times) else 0
                      for at in (quantile, until))
    before = times <= cut_ms
    training = interactions.select(before)
    begun = interactions.first_timestamps
    unseen = np.flatnonzero((begun > cut_ms) & (begun <= end_ms) & (times <= end_ms))
    owners = interactions.entry_users()[unseen]
    unseen = unseen[np.diff(training.user_offsets)[owners] > 0]
    users, first, counts = np.unique(
        interactions.entry_users()[unseen], return_index=True, return_counts=True)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Split(SplitName.TEMPORAL, SplitName.TEMPORAL, training, users.astype(np.int32),
                 interactions.items[unseen[first]], cut_ms,
                 Later(offsets, interactions.items[unseen]), training)


def leave_last_out(interactions: Interactions) -> Split:
    """Target: the last film of each user with at least two. Training: all the other entries."""
    counts = np.diff(interactions.user_offsets)
    users = np.flatnonzero(counts >= 2).astype(np.int32)
    last = interactions.user_offsets[users + 1] - 1
    keep = np.ones(len(interactions.items), np.bool_)
    keep[last] = False
    cut_ms = int(interactions.timestamps[last].min()) - 1 if len(last) else 0
    training, targets = interactions.select(keep), interactions.items[last]
    return Split(SplitName.LEAVE_LAST_OUT, SplitName.LEAVE_LAST_OUT, training, users, targets,
                 cut_ms, Later(np.arange(len(users) + 1, dtype=np.int64), targets), training)


def by_user(interactions: Interactions, share: float = HELD_OUT_SHARE,
            known: int = KNOWN_EVENTS, seed: int = 0) -> Split:
    """Users whom the models have never seen: what someone new gets.

    A share of the users with more than `known` films is drawn and kept from training. History:
    their first `known` films. Target: the next one; all the later ones are `later`.
    """
    lengths = np.diff(interactions.user_offsets)
    able = np.flatnonzero(lengths > known)
    random = np.random.default_rng(seed)
    n_drawn = min(len(able), max(1, round(share * len(able))))
    users = np.sort(random.choice(able, n_drawn, replace=False)).astype(np.int32)
    owners = interactions.entry_users()
    out = np.isin(owners, users)
    age = interactions.entry_places()
    next_ones = interactions.user_offsets[users] + known
    cut_ms = int(interactions.timestamps[next_ones].min()) - 1 if len(users) else 0
    offsets = np.concatenate(([0], np.cumsum(lengths[users] - known))).astype(np.int64)
    return Split(SplitName.BY_USER, SplitName.BY_USER, interactions.select(~out), users,
                 interactions.items[next_ones], cut_ms,
                 Later(offsets, interactions.items[out & (age >= known)]),
                 interactions.select(out & (age < known)))
