"""Who took to which film, in order of time: the arrays that models are fitted on.

The fold from events to one entry per (user, film) exists twice: vectorised for a frame of events,
and plain for one user's live history. A property test holds both equal, so that a model sees in
serving what it saw in training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recommender.arrays import Bools, Float32s, Int32s, Int64s
from recommender.schemas import Columns
from recommender.types import EventType, History

WATCH = EventType.WATCH.value
RATE = EventType.RATE.value
UNDO = EventType.UNDO.value


@dataclass(frozen=True, eq=False)
class Interactions:
    """State of all users: at most one entry per (user, film), oldest first within a user.

    user_ids: n_users ids. item_ids: n_items ids, films without an entry too.
    user_offsets: int64 of shape (n_users + 1,); entries of user u are [offsets[u], offsets[u+1]).
    items: int32 of shape (n_entries,), index into item_ids.
    ratings: float32 of shape (n_entries,), NaN where the film was watched but not rated.
    timestamps: int64 of shape (n_entries,), UTC ms of the later of the rating and the watch.
    first_timestamps: int64 of shape (n_entries,), UTC ms of the first known event of the pair;
        a pair known before a cut in time is no unseen target after it.
    weights: float32 of shape (n_entries,), how much each entry counts in a fit, on average 1;
        None: all alike. See `weighting`.
    """

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    user_offsets: Int64s
    items: Int32s
    ratings: Float32s
    timestamps: Int64s
    first_timestamps: Int64s
    weights: Float32s | None = None

    def __post_init__(self) -> None:
        for array in (self.user_offsets, self.items, self.ratings, self.timestamps,
                      self.first_timestamps, self.weights):
            if array is not None:
                array.setflags(write=False)

    @property
    def n_users(self) -> int:
        """Number of users, those without an entry too."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of films, those without an entry too."""
        return len(self.item_ids)

    @property
    def watermark_ms(self) -> int:
        """Time of the newest entry, 0 when there is none."""
        return int(self.timestamps.max()) if len(self.timestamps) else 0

    def entry_users(self) -> Int32s:
        """The user index of each entry: int32 of shape (n_entries,)."""
        users = np.arange(self.n_users, dtype=np.int32)
        return np.repeat(users, np.diff(self.user_offsets))

    def entry_places(self) -> Int64s:
        """The place of each entry in its user's history, from 0: int64 of shape (n_entries,)."""
        starts = np.repeat(self.user_offsets[:-1], np.diff(self.user_offsets))
        return np.arange(len(self.items)) - starts

    def item_counts(self) -> Int64s:
        """Entries per film: int64 of shape (n_items,)."""
        return np.bincount(self.items, minlength=self.n_items).astype(np.int64)

    def entry_weights(self) -> Float32s:
        """How much each entry counts in a fit: float32 of shape (n_entries,)."""
        return np.ones(len(self.items), np.float32) if self.weights is None else self.weights

    def user_entries(self, user: int) -> slice:
        """Where the entries of user index `user` lie."""
        return slice(int(self.user_offsets[user]), int(self.user_offsets[user + 1]))

    def select(self, keep: Bools) -> Interactions:
        """The entries where `keep` (bool of shape (n_entries,)) holds; same users and films."""
        kept = np.concatenate(([0], np.cumsum(keep)))
        return Interactions(
            self.user_ids, self.item_ids, kept[self.user_offsets].astype(np.int64),
            self.items[keep], self.ratings[keep], self.timestamps[keep],
            self.first_timestamps[keep], None if self.weights is None else self.weights[keep],
        )

    def with_items(self, item_ids: Iterable[str]) -> Interactions:
        """The same entries over a catalogue that also holds `item_ids`."""
        together = set(self.item_ids).union(item_ids)
        if len(together) == self.n_items:
            return self
        wider = order_item_ids(together)
        place = {item_id: index for index, item_id in enumerate(wider)}
        moved = np.fromiter((place[i] for i in self.item_ids), np.int32, self.n_items)
        return Interactions(self.user_ids, wider, self.user_offsets, moved[self.items],
                            self.ratings, self.timestamps, self.first_timestamps, self.weights)


class Folded(NamedTuple):
    """One user's films, oldest first; the rating is None for a film only watched."""

    item_ids: list[str]
    ratings: list[float | None]


def order_item_ids(item_ids: Iterable[str]) -> tuple[str, ...]:
    """Distinct ids ordered by a hash of the id.

    Equal scores are ordered by item index, and catalogues often number films by age or fame. The
    hash makes the index mean nothing, so a tie favours nobody, and it is the same on every run.
    """
    return tuple(sorted(set(item_ids), key=_hash))


def interactions_from_events(frame: pd.DataFrame) -> Interactions:
    """Fold events into state, independent of the order of rows.

    Per (user, film, type) the latest event by (timestamp, event_id) counts; then each
    (user, film) becomes one entry at the place of the later of its rating and its watch, with
    the rating where there is one. Views and searches are left out, and so is all that an undo
    took back: the result is that of the same events without it.

    Args:
        frame: columns of `Columns.EVENT` (validated); others are ignored.
    """
    kinds = frame[Columns.TYPE]
    rates = (kinds == RATE).to_numpy(dtype=bool)
    wanted = rates | (kinds == WATCH).to_numpy(dtype=bool)
    undos = frame[(kinds == UNDO).to_numpy(dtype=bool)]
    if len(undos):
        wanted &= ~_undone(frame, undos)
    if not wanted.all():
        frame, rates = frame[wanted], rates[wanted]
    users, user_ids = _codes(frame[Columns.USER], sorted)
    items, item_ids = _codes(frame[Columns.ITEM], order_item_ids)
    times = frame[Columns.TIMESTAMP].to_numpy(np.int64)
    order = _time_order(users, times, frame[Columns.EVENT_ID])
    # Within a pair (stable sort): by time, so the last event of the pair holds its place.
    pairs = users[order].astype(np.int64) * max(len(item_ids), 1) + items[order]
    by_pair = np.argsort(pairs, kind="stable")
    grouped, rated = pairs[by_pair], rates[order][by_pair]
    last = np.append(grouped[1:] != grouped[:-1], True) if len(grouped) else rated
    ends = np.flatnonzero(last)
    starts = np.append(0, ends[:-1] + 1) if len(ends) else ends
    rows = np.arange(len(grouped))
    last_rate = np.maximum.reduceat(np.where(rated, rows, -1), starts) if len(ends) else ends
    sorted_times = times[order][by_pair]
    ratings = frame[Columns.RATING].to_numpy(np.float32, na_value=np.nan)[order][by_pair]
    # Back from pair order to the order of time: `by_pair` is the place in time of each row.
    in_time = np.argsort(by_pair[ends], kind="stable")
    ends, starts, last_rate = ends[in_time], starts[in_time], last_rate[in_time]
    pair_users = (grouped[ends] // max(len(item_ids), 1)).astype(np.int64)
    offsets = np.searchsorted(pair_users, np.arange(len(user_ids) + 1)).astype(np.int64)
    return Interactions(
        user_ids, item_ids, offsets,
        (grouped[ends] % max(len(item_ids), 1)).astype(np.int32),
        np.where(last_rate >= 0, ratings[last_rate], np.nan).astype(np.float32),
        sorted_times[ends], sorted_times[starts],
    )


def fold_history(history: History) -> Folded:
    """The fold of `interactions_from_events` for the live history of one user."""
    at: dict[str, float | None] = {}
    for entry in history.entries:
        # Entries come oldest first: the later of rating and watch decides the place.
        if entry.type is EventType.RATE:
            at.pop(entry.item_id, None)
            at[entry.item_id] = entry.rating
        elif entry.type is EventType.WATCH:
            at[entry.item_id] = at.pop(entry.item_id, None)
    return Folded(list(at), list(at.values()))


def preference_weights(ratings: Float32s) -> Float32s:
    """How much an entry speaks for a film, in [-1, 1], from ratings (NaN = watched, not rated).

    A watch and a rating of 2.5 or more weigh 1, a rating of 2 weighs 0.5, one below 2 weighs
    -0.25: films like it sink.

    Most low ratings are still steps of a person's way through the catalogue, and the next film is
    often disliked too (22 % of targets), so each step down costs. NDCG@10 of transition_knn on
    ML-100K, last film out (python -m benchmarks.accuracy, with and without --ignore-ratings):
    all entries weigh 1: .1014, these weights: .0998. Averaged over the last, second and third
    last film as target these cost 3 %; -1 below 2 stars costs 8 %, -0.25 for 2 stars too 13 %.
    """
    weights = np.ones(len(ratings), np.float32)
    weights[ratings < 2.5] = 0.5
    weights[ratings < 2.0] = -0.25
    return weights


def _undone(frame: pd.DataFrame, undos: pd.DataFrame) -> Bools:
    """The rows that an undo took back: of its user and film, not after its (time, event id)."""
    pair, place = [Columns.USER, Columns.ITEM], [Columns.TIMESTAMP, Columns.EVENT_ID]
    newest = undos.sort_values(place).drop_duplicates(pair, keep="last")[pair + place]
    rows = np.flatnonzero(frame[Columns.USER].isin(newest[Columns.USER]))
    candidates = frame.iloc[rows][pair + place]
    matched = candidates.merge(newest, on=pair, how="left", suffixes=("", "_undo"))
    times = matched[Columns.TIMESTAMP].to_numpy(np.float64)
    until = matched[f"{Columns.TIMESTAMP}_undo"].to_numpy(np.float64)  # NaN: nothing taken back
    taken = times < until
    tied = np.flatnonzero(times == until)
    ids = matched[Columns.EVENT_ID].iloc[tied].to_numpy(object)
    taken[tied] = ids <= matched[f"{Columns.EVENT_ID}_undo"].iloc[tied].to_numpy(object)
    undone = np.zeros(len(frame), np.bool_)
    undone[rows] = taken
    return undone


def _hash(item_id: str) -> bytes:
    return hashlib.blake2b(item_id.encode(), digest_size=16).digest()


def _codes(values: pd.Series, order: Callable[[Iterable[str]], Iterable[str]],
           ) -> tuple[Int32s, tuple[str, ...]]:
    """Index of each value among its distinct values, and these in the order of `order`."""
    codes, distinct = pd.factorize(values)
    ordered = tuple(order(str(value) for value in distinct))
    place = {value: index for index, value in enumerate(ordered)}
    moved = np.fromiter((place[str(value)] for value in distinct), np.int32, len(distinct))
    return moved[codes], ordered


def _time_order(users: Int32s, times: Int64s, event_ids: pd.Series) -> Int64s:
    """Rows by (user, time, event id). Ids are compared only where user and time are equal."""
    order = np.lexsort((times, users))
    if len(order) == 0:
        return order
    same = (np.diff(users[order]) == 0) & (np.diff(times[order]) == 0)
    tied = order[np.append(same, False) | np.append(False, same)]
    if len(tied) == 0:
        return order
    ranks = np.zeros(len(order), np.int64)
    ranks[tied] = pc.rank(pa.array(event_ids.iloc[tied], pa.large_string())).to_numpy()
    return np.lexsort((ranks, times, users))
