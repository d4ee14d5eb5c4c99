"""Dead letters on their way from the store to the dead-letter topics, at least once each."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from recommender.errors import BusUnavailable
from recommender.ports import EventBus, EventStore
from recommender.record_batch import dead_letter_message
from recommender.schemas import Columns, event_frame
from recommender.types import DeadLetter, TopicPartition

_FIRST_LOOK = 1_000
_log = structlog.get_logger()


class DeadLetterPost:
    """Publishes letters after the transaction that stored them, and notes how far it came.

    The note is an offset for each partition in the store, under a group of its own. After a
    crash between publishing and noting, the letters above it are published again; key and value
    of a letter never change (`dead_letter_message`), so a repeat is harmless. A bus that takes
    no letters never holds up the events: they stay in the store and are tried again.
    """

    def __init__(self, bus: EventBus, store: EventStore, group: str) -> None:
        self._bus = bus
        self._store = store
        self._group = f"{group}.dead-letter"
        self.due = True
        """Whether the store may hold letters that were not published."""

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Publish letters that were stored just now, after those that are still due.

        Raises:
            StoreUnavailable: they stay due.
        """
        if self.due:
            self.catch_up()
        elif letters:
            self.due = True
            self._publish(letters)

    def catch_up(self) -> None:
        """Publish every stored letter above the note.

        Raises:
            StoreUnavailable: they stay due.
        """
        noted = self._store.offsets(self._group)
        limit = _FIRST_LOOK
        while True:
            newest = self._store.dead_letters(limit)
            due = [d for d in newest if d.offset >= noted.get(_partition(d), 0)]
            if len(newest) < limit or len(due) < len(newest):
                break
            limit *= 4
        self._publish(due[::-1])

    def _publish(self, letters: Sequence[DeadLetter]) -> None:
        if letters:
            try:
                self._bus.publish([dead_letter_message(letter) for letter in letters])
            except BusUnavailable as error:
                _log.warning("dead_letters_wait", letters=len(letters), error=str(error))
                return
            noted: dict[TopicPartition, int] = {}
            for letter in letters:
                partition = _partition(letter)
                noted[partition] = max(noted.get(partition, 0), letter.offset + 1)
            self._store.apply(event_frame([()] * len(Columns.EVENT)), noted, group=self._group)
        self.due = False


def _partition(letter: DeadLetter) -> TopicPartition:
    return TopicPartition(letter.topic, letter.partition)
