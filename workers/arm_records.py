"""Gathers what the arms of a rollout did since its step began, a little more each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog

from recommender.arrays import Bools, Float64s, Int64s
from recommender.bundle import ModelBundle
from recommender.experiments.canary_metrics import GROUPS, activity_group
from recommender.experiments.canary_rows import AnswerRows, FilmTraits
from recommender.experiments.online_success import watched_within
from recommender.ports import EventStore
from recommender.ports.answer_window import AnswerWindow, GivenAnswer
from recommender.request_id import request_id
from recommender.schemas import Columns
from recommender.types import EventType, answer_failed

_log = structlog.get_logger(__name__)
ANSWERS_AT_ONCE = 20_000
ANSWERS_MAX = 500_000
"""A step is judged on no more; further answers are left out, and a line in the log says so."""
EVENTS_AT_ONCE = 20_000
SETTLED_MS = 2_000
"""Answers younger than this may still be on their way to the log."""
LATE_MS = 60_000
"""So much later than its window ends a watch may still be on its way to the store."""
FOLLOW_MS = 10_000
"""For so long after a change answers may still come from the division before it."""
LIST_MAX = 20
"""Places of a list that count."""


@dataclass(slots=True)
class _Codes:
    """Numbers for texts, in the order in which they came."""

    known: dict[str, int] = field(default_factory=dict)

    def of(self, text: str) -> int:
        return self.known.setdefault(text, len(self.known))


def first_sequence_since(store: EventStore, since_ms: int) -> int:
    """The sequence number after which the events received since a time begin."""
    low, high = 0, store.last_sequence()
    while low < high:
        middle = (low + high) // 2
        chunk = next(store.event_chunks(middle, 1), None)
        if chunk is None or int(chunk[Columns.RECEIVED].iloc[0]) >= since_ms:
            high = middle
        else:
            low = int(chunk[Columns.SEQUENCE].iloc[0])
    return low


def film_traits(bundle: ModelBundle, head_share: float = 0.1) -> FilmTraits:
    """Head and genres of the bundle's films: the tenth with the most users when it was fitted."""
    head = np.zeros(bundle.n_items, np.bool_)
    head[bundle.popularity.order[: max(1, int(head_share * bundle.n_items))]] = True
    return FilmTraits(head, bundle.catalogue.genre_masks)


class ArmRecords:
    """Of one rollout since one time; used by one thread.

    Args:
        since_ms: when the step began, UTC ms.
        arms: variants to keep.
        bundle: the stable model's; its films come first among the codes.
        activity: ratings and watches of each user before; others have none.
        window_ms: within which a watch is a success.
        arm_of: the arm that a user has since then. While the servers are still following the
            change, what another arm answered a user is left out, the user is not.
    """

    def __init__(self, window: AnswerWindow, store: EventStore, since_ms: int,
                 arms: tuple[str, ...], bundle: ModelBundle, activity: Mapping[str, int],
                 window_ms: int, arm_of: Callable[[str], str]) -> None:
        self._window = window
        self._store = store
        self._arms = arms
        self._window_ms = window_ms
        self._followed_ms = since_ms + FOLLOW_MS
        self._begun = False
        self._arm_of = arm_of
        self._activity = activity
        self._traits = film_traits(bundle)
        self._films = _Codes(dict(bundle.index))
        self._users = _Codes()
        self._after = request_id(since_ms, 0)
        self._sequence = first_sequence_since(store, since_ms)
        self._texts: dict[bytes, list[int]] = {}
        self._answers: list[tuple[int, int, int, bool, int, int]] = []
        self._lists: list[list[int]] = []
        self._watches: list[tuple[int, int, int]] = []
        self._ratings: list[tuple[int, float]] = []
        self._of_user: dict[int, int] = {}
        self._crossed: set[int] = set()
        self.new_users: list[tuple[str, str]] = []
        """(user, arm) of those seen for the first time since the last look of the caller."""

    @property
    def crossed(self) -> int:
        """Users seen in two arms, as when an arm was given to them meanwhile; left out."""
        return len(self._crossed)

    def read(self, now_ms: int) -> None:
        """Read what is new.

        Raises:
            StoreUnavailable: a database does not answer; reading again goes on.
        """
        while len(self._answers) < ANSWERS_MAX:
            found = self._window.answers(self._after, now_ms - SETTLED_MS, ANSWERS_AT_ONCE)
            if not found:
                break
            self._take(found)
            self._after = found[-1].request_id
            if len(self._answers) >= ANSWERS_MAX:
                _log.warning("experiment_answers_left_out", beyond=ANSWERS_MAX)
        for chunk in self._store.event_chunks(self._sequence, EVENTS_AT_ONCE):
            self._take_events(chunk)
            self._sequence = int(chunk[Columns.SEQUENCE].iloc[-1])

    def rows(self, arm: str, now_ms: int) -> AnswerRows:
        """The answers of an arm; success is NaN while the window is open."""
        return self._rows_where(self._in_arm(arm), now_ms)

    def ratings(self, arm: str) -> tuple[Int64s, Float64s]:
        """(users, ratings) that users of the arm gave since it was theirs."""
        place = self._arms.index(arm)
        kept = [(user, rating) for user, rating in self._ratings
                if self._of_user.get(user) == place and user not in self._crossed]
        users = np.array([user for user, _ in kept], np.int64)
        return users, np.array([rating for _, rating in kept], np.float64)

    def films(self) -> FilmTraits:
        """Traits of all films seen; one that the stable model does not know is in the tail."""
        more = len(self._films.known) - len(self._traits.head)
        if more <= 0:
            return self._traits
        genres = self._traits.genres
        return FilmTraits(
            np.concatenate((self._traits.head, np.zeros(more, np.bool_))),
            np.hstack((genres, np.zeros((len(genres), more), np.bool_))))

    def _take(self, found: list[GivenAnswer]) -> None:
        wanted = [answer for answer in found if answer.variant in self._arms
                  and self._counts(answer)]
        missing = {answer.text_digest for answer in wanted} - self._texts.keys()
        for digest, films in self._window.shown(missing).items():
            self._texts[digest] = [self._films.of(film) for film in films[:LIST_MAX]]
        for answer in wanted:
            user, arm = self._users.of(answer.user_id), self._arms.index(answer.variant)
            if user not in self._of_user:
                self._of_user[user] = arm
                self.new_users.append((answer.user_id, answer.variant))
            elif self._of_user[user] != arm:
                self._crossed.add(user)
            self._answers.append((user, answer.timestamp_ms, arm, answer_failed(answer.status),
                                  answer.latency_us, self._group(answer.user_id)))
            self._lists.append(self._texts.get(answer.text_digest, []))

    def _counts(self, answer: GivenAnswer) -> bool:
        if answer.timestamp_ms >= self._followed_ms:
            return True
        # Before the first of the candidate (the last arm) no server follows.
        self._begun |= answer.variant == self._arms[-1]
        return self._begun and answer.variant == self._arm_of(answer.user_id)

    def _group(self, user_id: str) -> int:
        return GROUPS.index(activity_group(self._activity.get(user_id, 0)))

    def _take_events(self, chunk: Any) -> None:
        columns = (Columns.TYPE, Columns.USER, Columns.ITEM, Columns.TIMESTAMP, Columns.RATING)
        for kind, user_id, item, at_ms, rating in zip(
                *(chunk[name].tolist() for name in columns), strict=True):
            # Of everybody: the answer that an event follows may be read later than the event.
            if kind == EventType.WATCH.value:
                self._watches.append((self._users.of(user_id), self._films.of(item), int(at_ms)))
            elif kind == EventType.RATE.value:
                self._ratings.append((self._users.of(user_id), float(rating)))

    def _in_arm(self, arm: str) -> Bools:
        place = self._arms.index(arm)
        return np.array([of == place and user not in self._crossed
                         for user, _, of, *_ in self._answers], np.bool_)

    def _rows_where(self, kept: Bools, now_ms: int) -> AnswerRows:
        answers = np.array(self._answers, np.int64).reshape(-1, 6)[kept]
        chosen = np.flatnonzero(kept).tolist()
        width = max((len(self._lists[at]) for at in chosen), default=1) or 1
        lists = np.full((len(chosen), width), -1, np.int64)
        for row, at in enumerate(chosen):
            films = self._lists[at]
            lists[row, : len(films)] = films
        users, at_ms, _, failed, latency_us, groups = answers.T
        watches = np.array(self._watches, np.int64).reshape(-1, 3)
        watchers, watched, watched_ms = watches.T
        success = watched_within(users, at_ms, lists, watchers, watched, watched_ms,
                                 self._window_ms).astype(np.float64)
        success[(at_ms + self._window_ms + LATE_MS > now_ms) | (failed > 0)] = np.nan
        return AnswerRows(users, failed > 0, latency_us.astype(np.float64), success, groups, lists)
