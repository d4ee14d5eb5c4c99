"""Notices what somebody else did to the store: events of another replica or an import, a person
who was taken out."""

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
        on_all: called when these are too many to tell, and when a person was taken out.
        on_erasure: called besides then.
    """

    def __init__(
        self, store: EventStore, on_users: Callable[[Collection[str]], None],
        on_all: Callable[[], None], on_erasure: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._store = store
        self._on_users = on_users
        self._on_all = on_all
        self._on_erasure = on_erasure
        self._erased_ms = store.last_erasure()
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
        erased_ms = self._store.last_erasure()
        if erased_ms != self._erased_ms:
            self._erased_ms = erased_ms
            self._on_erasure()
            self._on_all()
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
