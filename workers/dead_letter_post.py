"""Dead letters on their way from the store to the dead-letter topics, at least once each."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import structlog

from recommender.circuit_breaker import CircuitBreaker
from recommender.errors import BusUnavailable, PartlyPublished
from recommender.ports import EventBus, EventStore
from recommender.record_batch import dead_letter_message
from recommender.schemas import Columns, event_frame
from recommender.types import DeadLetter, TopicPartition

_FIRST_LOOK = 1_000
_AT_ONCE = 500
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.5, 60.0
_log = structlog.get_logger()

Notes = dict[TopicPartition, int]


class DeadLetterPost:
    """Publishes letters after the transaction that stored them, and notes how far it came.

    The note is an offset for each partition in the store, under a group for each log (a letter
    of a lost log is not published again with every new one). After a crash between publishing
    and noting, the letters above it are published again; key and value of a letter never change
    (`dead_letter_message`), so a repeat is harmless. A bus that takes no letters never holds up
    the events: they stay in the store and are tried again, after a pause that grows. Of a batch
    that went in part, what lies before the first refused letter of its partition is noted.

    Args:
        clock_s: seconds that only rise.
    """

    def __init__(self, bus: EventBus, store: EventStore,
                 clock_s: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._store = store
        self._clock_s = clock_s
        self._breaker = CircuitBreaker(1, _PAUSE_MIN_S, _PAUSE_MAX_S)
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
        """Publish every stored letter above the notes; not before the pause after a failure ended.

        Raises:
            StoreUnavailable: they stay due.
        """
        if self._breaker.wait_s(self._clock_s()) > 0:
            return
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
                now_s = self._clock_s()
                self._breaker.failed(now_s)
                _log.warning("dead_letters_wait", letters=len(letters) - start,
                             pause_s=self._breaker.wait_s(now_s), error=str(error))
                if isinstance(error, PartlyPublished):
                    self._note(_before_the_refused(some, error.unpublished))
                return
            self._note(some)
        self.due = False
        self._breaker.succeeded()

    def _note(self, letters: Sequence[DeadLetter]) -> None:
        notes: dict[str, Notes] = {}
        for letter in letters:
            noted, partition = notes.setdefault(letter.cluster_id, {}), _partition(letter)
            noted[partition] = max(noted.get(partition, 0), letter.offset + 1)
        for log, noted in notes.items():
            self._store.apply(event_frame([()] * len(Columns.EVENT)), noted, group=note_group(log))


def _before_the_refused(letters: Sequence[DeadLetter],
                        refused: Collection[int]) -> list[DeadLetter]:
    """Those that went and have none before them, in their partition, that did not."""
    held: set[tuple[str, TopicPartition]] = set()
    went = []
    for at, letter in enumerate(letters):
        place = letter.cluster_id, _partition(letter)
        if at in refused:
            held.add(place)
        elif place not in held:
            went.append(letter)
    return went


def note_group(cluster_id: str) -> str:
    """The name under which the store keeps how many letters of a log were published."""
    return f"dead-letter/{cluster_id}"


def _partition(letter: DeadLetter) -> TopicPartition:
    return TopicPartition(letter.topic, letter.partition)
