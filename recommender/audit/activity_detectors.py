"""Detectors of automated or coordinated activity, in one pass over a log.

Each holds a fixed number of values a user or a film. Hours are sliding for `velocity` and of the
clock (UTC) for the others. Out of order events never raise an alarm that the ordered log would
not raise in `velocity`; the hourly counts follow the order of the log, since keeping every hour
would take memory that grows with it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

HOUR_S = 3600.0
VELOCITY_PER_HOUR = 20
OWN_VELOCITY_TIMES = 10.0
OTHER_HOURS_MIN = 5
SAME_RATING_MIN = 10
BURST_ACCOUNTS_MIN = 10
BURST_TIMES = 10.0
RATING_Z = 3.0


@dataclass(slots=True)
class _Hours:
    """Counts by active hour of the clock: the current one, the busiest, how many, and in all."""

    hour: int = -1
    now: int = 0
    busiest: int = 0
    active: int = 0
    total: int = 0

    def add(self, hour: int, by: int = 1) -> None:
        if hour != self.hour:
            self.hour, self.now = hour, 0
            self.active += 1
        self.now += by
        self.total += by
        if self.now > self.busiest:
            self.busiest = self.now

    def times_others(self) -> float | None:
        """The busiest hour / the mean of the other active ones, None with too few of them."""
        others = self.active - 1
        if others < OTHER_HOURS_MIN:
            return None
        return self.busiest * others / max(self.total - self.busiest, 1)


@dataclass(slots=True)
class _User:
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=VELOCITY_PER_HOUR))
    within_hour: int = 0
    hours: _Hours = field(default_factory=_Hours)
    ratings: int = 0
    rating_sum: float = 0.0
    first_rating: float | None = None
    same: bool = True

    def rated(self, rating: float) -> None:
        self.ratings += 1
        self.rating_sum += rating
        if self.first_rating is None:
            self.first_rating = rating
        elif rating != self.first_rating:
            self.same = False

    def at(self, seconds: float) -> None:
        recent = self.recent
        if len(recent) == VELOCITY_PER_HOUR and abs(seconds - recent[0]) <= HOUR_S:
            span = max(seconds, *recent) - min(seconds, *recent)
            self.within_hour += span <= HOUR_S
        recent.append(seconds)
        self.hours.add(int(seconds // HOUR_S))


@dataclass(slots=True)
class _Item:
    hours: _Hours = field(default_factory=_Hours)
    accounts: set[str] = field(default_factory=set)

    def at(self, seconds: float, user_id: str) -> None:
        hour = int(seconds // HOUR_S)
        if hour != self.hours.hour:
            self.accounts = set()
        new = user_id not in self.accounts
        self.accounts.add(user_id)
        self.hours.add(hour, int(new))


class StreamDetectors:
    """All detectors over one log. Ratings alone count for the velocities, once there is one."""

    def __init__(self) -> None:
        self._users: dict[str, _User] = {}
        self._items: dict[str, _Item] = {}
        self._ratings_only = False

    def add(
        self, user_id: str, item_id: str, rating: float | None, seconds: float | None
    ) -> None:
        """One event; `seconds` since 1970, None when it has no time."""
        if rating is None:
            if self._ratings_only:
                return
        elif not self._ratings_only:
            # What came before were no ratings, so nothing is lost.
            self._ratings_only, self._users, self._items = True, {}, {}
        user = self._users.get(user_id)
        if user is None:
            user = self._users[user_id] = _User()
        if rating is not None:
            user.rated(rating)
        if seconds is not None:
            user.at(seconds)
            item = self._items.get(item_id)
            if item is None:
                item = self._items[item_id] = _Item()
            item.at(seconds, user_id)

    def report(self) -> dict[str, Any]:
        """What each found, by its name."""
        what = "ratings" if self._ratings_only else "events"
        return {
            "velocity": _found(
                f"more than {VELOCITY_PER_HOUR} {what} of a user within an hour; "
                "count: how often", VELOCITY_PER_HOUR,
                [{"user_id": name, "count": user.within_hour}
                 for name, user in self._users.items() if user.within_hour]),
            "own_velocity": _found(
                f"{what} of a user in the busiest hour, as a multiple of the mean of the user's "
                f"other active hours (at least {OTHER_HOURS_MIN})", OWN_VELOCITY_TIMES,
                [{"user_id": name, "count": user.hours.busiest, "multiple": times}
                 for name, user in self._users.items()
                 if (times := user.hours.times_others()) and times >= OWN_VELOCITY_TIMES]),
            "same_rating": _found(
                f"users whose ratings, at least {SAME_RATING_MIN}, are all alike", SAME_RATING_MIN,
                [{"user_id": name, "count": user.ratings, "rating": user.first_rating}
                 for name, user in self._users.items()
                 if user.same and user.ratings >= SAME_RATING_MIN]),
            "item_burst": _found(
                f"accounts that took to one film in its busiest hour, at least "
                f"{BURST_ACCOUNTS_MIN}, as a multiple of the mean of the film's other active hours "
                f"(at least {OTHER_HOURS_MIN})", BURST_TIMES,
                [{"item_id": name, "count": item.hours.busiest, "multiple": times}
                 for name, item in self._items.items()
                 if item.hours.busiest >= BURST_ACCOUNTS_MIN
                 and (times := item.hours.times_others()) and times >= BURST_TIMES]),
            "rating_z": self._rating_z(),
        }  # fmt: skip

    def _rating_z(self) -> dict[str, Any]:
        means = {name: user.rating_sum / user.ratings for name, user in self._users.items()
                 if user.ratings >= SAME_RATING_MIN}
        n = len(means)
        centre = math.fsum(means.values()) / n if n else 0.0
        spread = math.sqrt(math.fsum((m - centre) ** 2 for m in means.values()) / n) if n else 0.0
        scores = {name: (m - centre) / spread for name, m in means.items()} if spread else {}
        return _found(
            f"users whose mean rating lies more than {RATING_Z:.0f} standard deviations from that "
            f"of the users (with at least {SAME_RATING_MIN} ratings)", RATING_Z,
            [{"user_id": name, "count": self._users[name].ratings, "z": z}
             for name, z in scores.items() if abs(z) > RATING_Z])


def _found(about: str, threshold: float, flagged: list[dict[str, Any]]) -> dict[str, Any]:
    flagged.sort(key=lambda row: (-row["count"], row.get("user_id") or row["item_id"]))
    return {"about": about, "threshold": threshold, "flagged": flagged}
