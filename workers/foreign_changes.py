"""Notices events that somebody else put into the store: an import beside the running server."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from recommender.ports import EventStore


class ForeignChanges:
    """Compares how far the store is with what this process applied itself.

    Args:
        on_foreign: called when the store moved by other hands.
    """

    def __init__(self, store: EventStore, on_foreign: Callable[[], None]) -> None:
        self._store = store
        self._on_foreign = on_foreign
        self._lock = Lock()
        self._expected = store.last_sequence()
        self._suspicious = False

    def applied(self, count: int) -> None:
        """This process applied so many events."""
        with self._lock:
            self._expected += count

    def check(self) -> None:
        """Once a second is enough.

        A difference counts the second time only: between a commit and the call of `applied` the
        store is ahead for a moment.
        """
        sequence = self._store.last_sequence()
        with self._lock:
            if sequence == self._expected:
                self._suspicious = False
                return
            if not self._suspicious:
                self._suspicious = True
                return
            self._expected = sequence
            self._suspicious = False
        self._on_foreign()
