"""Online success: whether a film of the list was watched soon after it was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recommender.arrays import Bools, Int64s

WINDOW_MS = 30 * 60 * 1000


def success_of(version_id: str, report: Mapping[str, Any] | None) -> float | None:
    """The share of answers of a model with a success by the report, None when it tells of none."""
    versions: Sequence[Mapping[str, Any]] = (report or {}).get("versions", ())
    return next((float(one["ratio"]) for one in versions if one["model_version"] == version_id),
                None)


def watched_within(users: Int64s, at_ms: Int64s, lists: Int64s, watch_users: Int64s,
                   watch_films: Int64s, watch_at_ms: Int64s, window_ms: int = WINDOW_MS) -> Bools:
    """For each answer whether its user watched one of its films after it, within the window.

    A watch counts for every answer whose window it falls into; one at the very time of an answer
    does, for clocks have milliseconds. Whether a window has closed is for the caller to know.

    Args:
        users, at_ms: int64 of shape (n_answers,), codes from 0 and UTC milliseconds.
        lists: int64 of shape (n_answers, k), film codes, -1 for none.
        watch_users, watch_films, watch_at_ms: int64 of shape (n_watches,).
    """
    success = np.zeros(len(users), np.bool_)
    if not len(users) or not len(watch_users):
        return success
    order = np.lexsort((at_ms, users))
    start = min(int(at_ms.min()), int(watch_at_ms.min())) - window_ms
    span = max(int(at_ms.max()), int(watch_at_ms.max())) - start + 1
    # Users one after the other on one line of time, so that one search finds user and time.
    line = users[order] * span + (at_ms[order] - start)
    watched = watch_users * span + (watch_at_ms - start)
    # The windows that are open at a watch are those of answers at most `window_ms` before it.
    first = np.searchsorted(line, watched - window_ms, side="left")
    last = np.searchsorted(line, watched, side="right")
    counts = last - first
    which = np.repeat(np.arange(len(watched)), counts)
    offset = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    answers = order[first[which] + offset]
    hit = (lists[answers] == watch_films[which][:, None]).any(axis=1)
    hit &= users[answers] == watch_users[which]
    success[answers[hit]] = True
    return success
