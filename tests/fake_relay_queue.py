"""A working relay queue in memory, for tests of what sends."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from recommender.errors import StoreUnavailable
from recommender.event_codec import encode
from recommender.topics import topic_of
from recommender.types import Event, Unsent


def accept(queue: InMemoryRelayQueue, event: Event) -> None:
    """Put an event in as the outbox does."""
    queue.put([(event.event_id, topic_of(event.type), event.user_id, encode(event))])


class InMemoryRelayQueue:
    """Rows that are put in; `sent` names those marked, in order. `down` makes it unavailable."""

    def __init__(self) -> None:
        self.down = False
        self.sent: list[int] = []
        self._rows: dict[int, Unsent] = {}
        self._taken: set[int] = set()
        self._next = 1
        self._changed = threading.Condition()
        self._news = False

    def put(self, rows: Sequence[tuple[str, str, str, bytes]], at_ms: int = 0) -> None:
        """(event id, topic, key, value) of events accepted at a time."""
        for event_id, topic, key, value in rows:
            self._rows[self._next] = Unsent(self._next, event_id, topic, key, value, at_ms)
            self._next += 1
        self.wake()

    def take(self, limit: int, without: Collection[str] = ()) -> list[Unsent]:
        self._check()
        if self._taken:
            raise RuntimeError("the batch before was neither marked nor given back")
        with self._changed:
            self._news = False
        wanted = (self._rows[n] for n in sorted(self._rows))
        batch = [row for row in wanted if row.topic not in without][:limit]
        self._taken = {row.sequence for row in batch}
        return batch

    def mark_sent(self, sequences: Collection[int]) -> None:
        if set(sequences) - self._taken:
            raise ValueError("not of the batch that was taken")
        self._taken = set()
        self._check()
        self.sent += sequences
        for sequence in sequences:
            del self._rows[sequence]

    def give_back(self) -> None:
        self._taken = set()

    def backlog(self) -> int:
        self._check()
        return len(self._rows)

    def wait(self, timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._news, timeout_s)

    def wake(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def close(self) -> None:
        self._taken = set()

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("away")
