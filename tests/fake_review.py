"""Working in-memory stand-ins for what administrators look through, and topics to publish on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from recommender.errors import BusUnavailable
from recommender.ports import Consumer
from recommender.ports.review import REACH
from recommender.program_state import JobState, PartState
from recommender.review import (
    PREVIEW_BYTES,
    AppliedEvent,
    EventFilter,
    LetterFilter,
    LetterState,
    Page,
    StoredLetter,
)
from recommender.traffic import TrafficMinute
from recommender.types import Message, TopicPartition
from tests.fakes import InMemoryEventStore


class InMemoryEventReview:
    """Reads the store given; events and letters are numbered from 1 in their order."""

    def __init__(self, store: InMemoryEventStore) -> None:
        self._store = store
        self._marks: dict[int, tuple[int, str]] = {}

    def events(
        self, wanted: EventFilter, before: int | None = None, limit: int = 50, reach: int = REACH
    ) -> Page[AppliedEvent]:
        events = self._store.applied()
        before = len(events) + 1 if before is None else before
        lowest = max(before - reach, 1)
        found = [
            AppliedEvent(number, events[number - 1])
            for number in range(before - 1, lowest - 1, -1)
            if _fits(events[number - 1], wanted)
        ]
        if len(found) > limit:
            return Page(tuple(found[:limit]), found[limit - 1].sequence)
        return Page(tuple(found), lowest if lowest > 1 else None)

    def letters(
        self, wanted: LetterFilter, before: int | None = None, limit: int = 50
    ) -> Page[StoredLetter]:
        found = [s for s in self._matching(wanted) if before is None or s.sequence < before]
        cut = [
            replace(s, letter=replace(s.letter, value=s.letter.value[:PREVIEW_BYTES]))
            for s in found[:limit]
        ]
        return Page(tuple(cut), cut[-1].sequence if len(found) > limit else None)

    def letters_numbered(self, sequences: Sequence[int]) -> list[StoredLetter]:
        return [s for s in self._all() if s.sequence in set(sequences)]

    def count_letters(self, wanted: LetterFilter) -> int:
        return len(self._matching(wanted))

    def mark_requeued(self, sequences: Sequence[int], at_ms: int, actor: str) -> int:
        known = {s.sequence for s in self._all()} & set(sequences)
        self._marks.update(dict.fromkeys(known, (at_ms, actor)))
        return len(known)

    def _all(self) -> list[StoredLetter]:
        letters = self._store.dead_letters(10**9)[::-1]
        return [
            StoredLetter(number, letter, len(letter.value), *self._marks.get(number, (None, None)))
            for number, letter in enumerate(letters, 1)
        ][::-1]

    def _matching(self, wanted: LetterFilter) -> list[StoredLetter]:
        text = wanted.text.casefold()
        return [
            s for s in self._all()
            if any(text in (place or "").casefold()
                   for place in (s.letter.reason, s.letter.topic, s.letter.key))
            and wanted.state in (
                LetterState.ALL,
                LetterState.OPEN if s.requeued_at_ms is None else LetterState.REQUEUED)
        ]  # fmt: skip


def _fits(event: object, wanted: EventFilter) -> bool:
    return all(
        value is None or getattr(event, name) == value
        for name, value in (
            ("user_id", wanted.user_id), ("item_id", wanted.item_id), ("type", wanted.type))
    )  # fmt: skip


class InMemoryTopics:
    """A bus that keeps what is published; `down` makes it unavailable."""

    def __init__(self) -> None:
        self.down = False
        self.published: list[Message] = []

    def publish(self, messages: Sequence[Message]) -> None:
        if self.down:
            raise BusUnavailable("the bus is down")
        self.published += messages

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        raise NotImplementedError

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {TopicPartition(topic, 0): len(self.published) for topic in topics}

    def reachable(self) -> bool:
        return not self.down

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class SetProgramState:
    """Tells what a test has set."""

    of_parts: list[PartState] = field(default_factory=list)
    of_jobs: list[JobState] = field(default_factory=list)
    of_minutes: list[TrafficMinute] = field(default_factory=list)

    def parts(self) -> list[PartState]:
        return self.of_parts

    def jobs(self) -> list[JobState]:
        return self.of_jobs

    def minutes(self) -> list[TrafficMinute]:
        return self.of_minutes
