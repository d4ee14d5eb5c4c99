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
_AT_ONCE = 500
_log = structlog.get_logger()

Notes = dict[TopicPartition, int]


class DeadLetterPost:
    """Publishes letters after the transaction that stored them, and notes how far it came.

    The note is an offset for each partition in the store, under a group for each log (a letter
    of a lost log is not published again with every new one). After a crash between publishing
    and noting, the letters above it are published again; key and value of a letter never change
    (`dead_letter_message`), so a repeat is harmless. A bus that takes no letters never holds up
    the events: they stay in the store and are tried again.
    """

    def __init__(self, bus: EventBus, store: EventStore) -> None:
        self._bus = bus
        self._store = store
        self.due = True
        """Whether the store may hold letters that were not published."""

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Publish letters that were stored just now, after those that are still due.

        `letters` are in the order of their places.

        Raises:
            StoreUnavailable: they stay due.
        """
        if self.due:
            self.catch_up()
        elif letters:
            self.due = True
            self._publish(letters)

    def catch_up(self) -> None:
        """Publish every stored letter above the notes.

        Raises:
            StoreUnavailable: they stay due.
        """
        notes: dict[str, Notes] = {}
        limit = _FIRST_LOOK
        while True:
            newest = self._store.dead_letters(limit)
            for log in {letter.cluster_id for letter in newest} - notes.keys():
                notes[log] = self._store.offsets(note_group(log))
            due = [d for d in newest if d.offset >= notes[d.cluster_id].get(_partition(d), 0)]
            if len(newest) < limit or len(due) < len(newest):
                break
            limit *= 4
        self._publish(due[::-1])

    def _publish(self, letters: Sequence[DeadLetter]) -> None:
        # In parts: a bus has a bound on what it takes at once, and a failure repeats one only.
        for start in range(0, len(letters), _AT_ONCE):
            some = letters[start : start + _AT_ONCE]
            try:
                self._bus.publish([dead_letter_message(letter) for letter in some])
            except BusUnavailable as error:
                _log.warning("dead_letters_wait", letters=len(letters) - start, error=str(error))
                return
            self._note(some)
        self.due = False

    def _note(self, letters: Sequence[DeadLetter]) -> None:
        notes: dict[str, Notes] = {}
        for letter in letters:
            noted, partition = notes.setdefault(letter.cluster_id, {}), _partition(letter)
            noted[partition] = max(noted.get(partition, 0), letter.offset + 1)
        for log, noted in notes.items():
            self._store.apply(event_frame([()] * len(Columns.EVENT)), noted, group=note_group(log))


def note_group(cluster_id: str) -> str:
    """The name under which the store keeps how many letters of a log were published."""
    return f"dead-letter/{cluster_id}"


def _partition(letter: DeadLetter) -> TopicPartition:
    return TopicPartition(letter.topic, letter.partition)
