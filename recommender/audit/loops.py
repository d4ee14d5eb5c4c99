"""Feedback loops in logged answers: echo, starved films, amplification, exposure of new films."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.arrays import Bools, Int64s
from recommender.audit.catalogue_view import DAY_MS
from recommender.audit.echo import Echo, detect_echo
from recommender.audit.exposure import Tier, by_popularity, popularity_tiers, shown_tiers
from recommender.audit.verdicts import AuditPolicy
from recommender.metrics import exposures_of

HEAD_TAIL_SHARE = 0.3
"""Head and tail: the most and the least popular 30 % of the catalogue, by earlier popularity."""
HOUR_MS = 3_600_000


@dataclass(frozen=True, eq=False)
class LoggedLists:
    """Lists in the order of time, over the active catalogue.

    shown: int64 of shape (n_lists, k), film index, negative where there is none. at_ms: int64 of
    shape (n_lists,). taken_before, added_ms: int64 of shape (n_items,), people who took each film
    before the first list, and when it came into the catalogue.
    """

    shown: Int64s
    at_ms: Int64s
    taken_before: Int64s
    added_ms: Int64s

    @property
    def n_items(self) -> int:
        """Films of the active catalogue."""
        return len(self.taken_before)


@dataclass(frozen=True, slots=True)
class Starvation:
    """head_rate, tail_rate: share of the head and the tail that is shown at least once.

    ratio: head_rate / tail_rate, None when no film of the tail is shown. index: films never shown
    / catalogue. films_a_day: different films shown on each day (UTC), as (day's start, films).
    """

    head_rate: float
    tail_rate: float
    ratio: float | None
    index: float
    films_a_day: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class NewFilms:
    """Films that came while answers were logged.

    median_hours: from arrival to first showing, by Kaplan and Meier (1958), so that films not
    shown yet count; None when less than half of them are shown.
    """

    films: int
    shown: int
    median_hours: float | None


@dataclass(frozen=True, slots=True)
class LoopReport:
    """All of it, and the window: UTC ms of its first and last list."""

    lists: int
    catalogue: int
    start_ms: int
    end_ms: int
    echo: Echo
    starvation: Starvation
    tiers: tuple[Tier, ...]
    popularity_tiers: tuple[Tier, ...]
    new_films: NewFilms


def audit_loops(lists: LoggedLists, policy: AuditPolicy) -> LoopReport:
    """Judge logged lists."""
    exposures = exposures_of(lists.shown, lists.n_items)
    n = len(lists.at_ms)
    return LoopReport(
        n, lists.n_items, int(lists.at_ms[0]) if n else 0, int(lists.at_ms[-1]) if n else 0,
        detect_echo(lists.shown, lists.n_items, policy.echo_slope_max),
        _starvation(lists, exposures), shown_tiers(exposures),
        popularity_tiers(exposures, lists.taken_before), new_films(lists))


def head_and_tail_rates(was_shown: Bools, taken_before: Int64s) -> tuple[float, float]:
    """Share of the head, and of the tail, that is shown; bool and int64 of shape (n_items,).

    Of films taken alike at an edge a share counts, each of them alike.
    """
    size = int(len(was_shown) * HEAD_TAIL_SHARE)
    if not size:
        return 0.0, 0.0
    ordered = by_popularity(was_shown, taken_before)
    return float(ordered[:size].mean()), float(ordered[-size:].mean())


def new_films(lists: LoggedLists) -> NewFilms:
    """Exposure of the films added from the first list on."""
    if not len(lists.at_ms):
        return NewFilms(0, 0, None)
    first = _first_shown_ms(lists)
    begin, end = int(lists.at_ms[0]), int(lists.at_ms[-1])
    is_new = (lists.added_ms >= begin) & (lists.added_ms <= end)
    was_shown = first[is_new] >= 0
    ended = np.where(was_shown, first[is_new], end)
    waited = np.maximum(ended - lists.added_ms[is_new], 0)
    median_ms = _kaplan_meier_median(waited, was_shown)
    return NewFilms(int(is_new.sum()), int(was_shown.sum()),
                    None if median_ms is None else median_ms / HOUR_MS)


def _starvation(lists: LoggedLists, exposures: Int64s) -> Starvation:
    was_shown = exposures > 0
    head_rate, tail_rate = head_and_tail_rates(was_shown, lists.taken_before)
    days = []
    day_of = lists.at_ms // DAY_MS
    for day in np.unique(day_of):
        films = np.unique(lists.shown[day_of == day])
        days.append((int(day) * DAY_MS, int((films >= 0).sum())))
    never = float((~was_shown).mean()) if len(was_shown) else 0.0
    return Starvation(head_rate, tail_rate, head_rate / tail_rate if tail_rate else None, never,
                      tuple(days))


def _first_shown_ms(lists: LoggedLists) -> Int64s:
    """When each film was first shown, -1 for never: int64 of shape (n_items,)."""
    rows, places = np.nonzero(lists.shown >= 0)
    first = np.full(lists.n_items, -1, np.int64)
    # Backwards, so that the earliest is written last.
    first[lists.shown[rows, places][::-1]] = lists.at_ms[rows][::-1]
    return first


def _kaplan_meier_median(waited: Int64s, happened: Bools) -> float | None:
    """The first time at which at most half still wait; None when that is never known."""
    left, waiting = 1.0, len(waited)
    for time in np.unique(waited):
        at_once = waited == time
        left *= 1.0 - float(happened[at_once].sum()) / waiting
        if left <= 0.5:
            return float(time)
        waiting -= int(at_once.sum())
    return None
