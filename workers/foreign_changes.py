"""Notices events that somebody else put into the store: another replica, an import."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from threading import Lock

from recommender.errors import StoreUnavailable
from recommender.ports import EventStore
from recommender.types import Applied

_EVENTS_MAX = 20_000
"""Of more events the users are not looked up; then everyone counts as changed."""


class ForeignChanges:
    """Compares what the store holds with what this process applied itself, by sequence numbers.

    Args:
        on_users: called with the users of events that came by other hands.
        on_all: called when these are too many to tell.
    """

    def __init__(
        self, store: EventStore, on_users: Callable[[Collection[str]], None],
        on_all: Callable[[], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._on_users = on_users
        self._on_all = on_all
        self._lock = Lock()
        self._seen = store.last_sequence()
        self._own: list[tuple[int, int]] = []

    def applied(self, done: Applied) -> None:
        """This process applied these events."""
        if done.applied:
            with self._lock:
                self._own.append((done.after, done.until))

    def check(self) -> None:
        """Once a second is enough.

        Events of this process whose `applied` is still to come count as foreign: dropping their
        users twice does no harm.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        newest = self._store.last_sequence()
        with self._lock:
            gaps = list(self._foreign(newest))
        try:
            for after, until in gaps:
                users = self._store.users_between(after, until, _EVENTS_MAX)
                if users is None:
                    self._on_all()
                    return
                if users:
                    self._on_users(users)
        except StoreUnavailable:
            self._on_all()  # the gaps will not be looked at again
            raise

    def _foreign(self, newest: int) -> Iterator[tuple[int, int]]:
        """(after, until) of what is not ours since the last time."""
        own, self._own = sorted(self._own), []
        for after, until in own:
            if after > self._seen:
                yield self._seen, after
            self._seen = max(self._seen, until)
        if newest > self._seen:
            yield self._seen, newest
            self._seen = newest
