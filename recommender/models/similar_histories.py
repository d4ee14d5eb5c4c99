"""What people with a similar recent way took next: nearest neighbours of whole histories.

Ludewig and Jannach, Evaluation of session-based recommendation algorithms, UMUAI 2018 (V-SKNN);
Garg et al., Sequence and time aware neighborhood for session-based recommendations, SIGIR 2019
(STAN). Here similarity also asks for the same order: a further film in common counts the more the
nearer it lies to where the first one in common would put it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np

from recommender.arrays import Float32s, Int32s, Int64s
from recommender.interactions import Interactions


REACH_BACK = 5
"""Steps before a film in common that are looked at."""


@dataclass(frozen=True, eq=False)
class HistoryIndex:
    """All histories by user, and where each film lies in them.

    items: int32, the films of all histories. offsets: int64 of shape (n_users + 1,).
    starts: int64 of shape (n_items + 1,). users, places: int32 of shape (n_places,), for each
    place of a film whose history it is and its index into `items`.
    rarity: float32 of shape (n_items,), what a film in common counts.
    ages: float32 of shape (n_recent,), times what by its age, newest first.
    shifts: float32, times what by how many steps it lies off; the last is for all beyond.
    steps: float32 of shape (reach + 1,), what a follower counts by its distance; [0] unused.
    back: the same for films before the one in common: neighbouring steps are often swapped.
    histories: most histories that count; more only where equally similar.
    power: of the similarity of a history.
    """

    items: Int32s
    offsets: Int64s
    starts: Int64s
    users: Int32s
    places: Int32s
    rarity: Float32s
    ages: Float32s
    shifts: Float32s
    steps: Float32s
    back: Float32s
    histories: int
    power: float

    def __post_init__(self) -> None:
        for array in self.arrays():
            array.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def arrays(self) -> tuple[Any, ...]:
        """What `add_followers` takes, in its order."""
        return (self.items, self.offsets, self.starts, self.users, self.places, self.rarity,
                self.ages, self.shifts, self.steps, self.back)


def index_histories(interactions: Interactions, from_power: float, recent_decay: float,
                    recent: int, order_bonus: float, order_scale: float, step_decay: float,
                    reach: int, before: float, histories: int, power: float, users: int,
                    ) -> HistoryIndex:
    """The index of the `users` users who were last active.

    Args:
        from_power: power of its popularity that divides what a film in common counts.
        recent_decay: factor per step of age; `recent` films of a history are looked at.
        order_bonus, order_scale: a film in common that lies d steps off counts
            1 + order_bonus * exp(-d / order_scale) times.
        step_decay: factor per step for followers, `reach` of them.
        before: what films just before the one in common count beside followers.
    """
    lengths = np.diff(interactions.user_offsets)
    newest = np.full(interactions.n_users, -1, np.int64)
    filled = lengths > 0
    newest[filled] = interactions.timestamps[interactions.user_offsets[1:][filled] - 1]
    chosen = np.zeros(interactions.n_users, np.bool_)
    chosen[np.argsort(-newest, kind="stable")[:users]] = True
    part = interactions.select(np.repeat(chosen, lengths))
    counts = interactions.item_counts()
    by_film = np.argsort(part.items, kind="stable").astype(np.int32)
    steps = np.append(0.0, step_decay ** np.arange(reach)).astype(np.float32)
    off = np.arange(max(int(8 * order_scale), 1))
    return HistoryIndex(
        part.items, part.user_offsets,
        np.append(0, np.cumsum(part.item_counts())), part.entry_users()[by_film], by_film,
        (np.maximum(counts, 1) ** -from_power).astype(np.float32),
        (recent_decay ** np.arange(recent)).astype(np.float32),
        (1.0 + order_bonus * np.exp(-off / order_scale)).astype(np.float32),
        steps, (before * steps[:REACH_BACK + 1]).astype(np.float32), histories, power,
    )


@nb.njit(nogil=True, cache=True)
def _largest(values, k):  # type: ignore[no-untyped-def]
    """The k-th largest value, k from 0; moves the values about (quickselect)."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if k <= right:
            high = right
        elif k >= left:
            low = left
        else:
            break
    return values[k]


@nb.njit(nogil=True, cache=True)
def add_followers(history, weights, items, offsets, starts, users, places, rarity, ages, shifts,  # type: ignore[no-untyped-def]
                  steps, back, histories, power, scores):
    """Add to `scores` what followed, or came just before, in the most similar histories.

    Returns the similarity to its power, the place of the newest film in common, and the age of
    that film in `history`, of each history that counts.
    """
    n, n_found, far = len(history), 0, len(shifts) - 1
    similarity = np.zeros(len(offsets) - 1, np.float32)
    anchors = np.empty(len(offsets) - 1, np.int32)  # place of the newest film in common
    since = np.empty(len(offsets) - 1, np.int32)  # its age in the history
    found = np.empty(len(offsets) - 1, np.int32)
    for age in range(min(n, len(ages))):
        film = history[n - 1 - age]
        weight = weights[n - 1 - age] * ages[age] * rarity[film]
        if weight <= 0.0:
            continue
        for at in range(starts[film], starts[film + 1]):
            user = nb.uint32(users[at])
            if similarity[user] == 0.0:
                found[n_found] = user
                n_found += 1
                anchors[user] = places[at]
                since[user] = age
                similarity[user] = weight
            else:
                off = abs((anchors[user] - places[at]) - (age - since[user]))
                similarity[user] += weight * shifts[min(off, far)]
    least = np.float32(0.0)
    if n_found > histories:
        sizes = np.empty(n_found, np.float32)
        for at in range(n_found):
            sizes[at] = similarity[found[at]]
        least = _largest(sizes, histories - 1)
    n_kept = 0
    kept = np.empty(n_found, np.float32)
    for at in range(n_found):
        user = found[at]
        if similarity[user] < least:
            continue
        strength = np.float32(similarity[user] ** power)
        kept[n_kept] = strength
        found[n_kept] = user
        n_kept += 1
        anchor = anchors[user]
        for step in range(1, min(len(steps), offsets[user + 1] - anchor)):
            scores[nb.uint32(items[anchor + step])] += strength * steps[step]
        for step in range(1, min(len(back), anchor - offsets[user] + 1)):
            scores[nb.uint32(items[anchor - step])] += strength * back[step]
    return kept[:n_kept], anchors[found[:n_kept]], since[found[:n_kept]], found[:n_kept]
