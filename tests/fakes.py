"""Working in-memory implementations of the ports, for tests of what stands on them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from recommender.errors import StoreUnavailable
from recommender.ports.events import SetAside
from recommender.schemas import Columns
from recommender.types import (
    BROWSED_MAX,
    Acceptance,
    AnsweredRecord,
    Applied,
    DeadLetter,
    Event,
    EventType,
    History,
    HistoryEntry,
    Movie,
    Outcome,
    Person,
    RatingCounts,
    TopicPartition,
    Trimmed,
)

HOUR_MS = 3_600_000


def event_frame(events: Iterable[Event]) -> pd.DataFrame:
    """Events as the frame that `EventStore.apply` takes."""
    rows = [
        (e.event_id, e.schema_version, e.type.value, e.user_id, e.item_id, e.rating, e.minute,
         e.query, e.timestamp_ms, e.received_at_ms, e.source)
        for e in events
    ]
    return pd.DataFrame(rows, columns=list(Columns.EVENT)).astype(object)


class InMemoryOutbox:
    """Keeps accepted events in order; `refuses` makes it answer as a full store does.

    `on_accepted` is called with what each call accepted.
    """

    def __init__(self, ratings_per_hour: int | None = None) -> None:
        self.events: dict[str, Event] = {}
        self.refuses = False
        self.on_accepted: Callable[[list[Event]], object] = lambda events: None
        self._quota = ratings_per_hour

    def accept(self, events: Sequence[Event]) -> list[Acceptance]:
        if self.refuses:
            raise StoreUnavailable("the queue is full", retry_after_s=7)
        acceptances = [self._one(event) for event in events]
        self.on_accepted([event for event, acceptance in zip(events, acceptances, strict=True)
                          if acceptance.outcome is Outcome.ACCEPTED])
        return acceptances

    def depth(self) -> int:
        if self.refuses:
            raise StoreUnavailable("closed")
        return 0

    def close(self) -> None:
        self.refuses = True

    def _one(self, event: Event) -> Acceptance:
        known = self.events.get(event.event_id)
        if known is not None:
            same = _sent(known, event) == _sent(event, known)
            return Acceptance(event.event_id, Outcome.DUPLICATE if same else Outcome.CONFLICT)
        if event.type is EventType.RATE and self._quota is not None:
            since = event.received_at_ms - HOUR_MS
            recent = [
                e.received_at_ms
                for e in self.events.values()
                if e.type is EventType.RATE and e.user_id == event.user_id
                and e.received_at_ms > since
            ]
            if len(recent) >= self._quota:
                wait_s = -(-(min(recent) - since) // 1000)
                return Acceptance(event.event_id, Outcome.OVER_QUOTA, wait_s)
        self.events[event.event_id] = event
        return Acceptance(event.event_id, Outcome.ACCEPTED)


def _sent(event: Event, other: Event) -> tuple[object, ...]:
    both = event.client_timestamp and other.client_timestamp
    return (event.type, event.user_id, event.item_id, event.rating, event.minute, event.query,
            event.timestamp_ms if both else None)


def _said(event: Event, other: Event) -> tuple[object, ...]:
    sent = all(e.timestamp_ms != e.received_at_ms for e in (event, other))
    return (event.type, event.user_id, event.item_id, event.rating, event.minute, event.query,
            event.timestamp_ms if sent else None)


def _place(letter: DeadLetter) -> tuple[str, str, int, int]:
    return letter.cluster_id, letter.topic, letter.partition, letter.offset


class InMemoryEventStore:
    """Applied events and the state that follows; `down` makes it unavailable."""

    def __init__(self) -> None:
        self.down = False
        self._applied: dict[str, Event] = {}
        self._state: dict[tuple[str, str, EventType], tuple[HistoryEntry, int]] = {}
        self._undone: dict[tuple[str, str], tuple[tuple[int, str], int]] = {}
        self._searches: dict[str, list[tuple[int, str, str, int]]] = {}
        self._offsets: dict[str, dict[TopicPartition, int]] = {}
        self._dead: dict[tuple[str, str, int, int], DeadLetter] = {}

    def apply(
        self,
        frame: pd.DataFrame,
        offsets: Mapping[TopicPartition, int] | None = None,
        dead_letters: Sequence[DeadLetter] = (),
        group: str = "ingest",
        set_aside: SetAside | None = None,
    ) -> Applied:
        self._check()
        applied = conflicts = 0
        after = len(self._applied)
        letters = list(dead_letters)
        for at, row in enumerate(frame.to_dict("records")):
            event = _event({str(name): value for name, value in row.items()})
            if event.event_id not in self._applied:
                applied += 1
                self._applied[event.event_id] = event
                self._change(event, len(self._applied))
            elif _said(event, self._applied[event.event_id]) != _said(
                self._applied[event.event_id], event
            ):
                conflicts += 1
                if set_aside is not None:
                    letters.append(set_aside(at, "event_id: known with other content"))
        letters.sort(key=_place)
        self._offsets.setdefault(group, {}).update(offsets or {})
        for letter in letters:
            self._dead.setdefault(_place(letter), letter)
        return Applied(applied, len(frame) - applied - conflicts, conflicts, tuple(letters),
                       after, after + applied)

    def begin_as(self, other: InMemoryEventStore) -> None:
        """Hold what another store holds; quicker than to apply it once more."""
        self._applied, self._state = dict(other._applied), dict(other._state)
        self._undone = dict(other._undone)
        self._searches = {user: list(found) for user, found in other._searches.items()}

    def offsets(self, group: str = "ingest") -> dict[TopicPartition, int]:
        return dict(self._offsets.get(group, {}))

    def history(self, user_id: str) -> History:
        self._check()
        found = [value for key, value in self._state.items() if key[0] == user_id]
        found.sort(key=lambda value: (value[0].timestamp_ms, value[0].event_id))
        views = [value for value in found if value[0].type is EventType.VIEW]
        kept = found if len(views) <= BROWSED_MAX else [
            value for value in found if value not in views[:-BROWSED_MAX]]
        searches = sorted(self._searches.get(user_id, []))
        undone = [sequence for (user, _), (_, sequence) in self._undone.items() if user == user_id]
        changes = [sequence for _, sequence in found] + [s[3] for s in searches] + undone
        version = max(changes, default=0)
        return History(user_id, version, tuple(entry for entry, _ in kept),
                       tuple(query for _, _, query, _ in searches[-BROWSED_MAX:]))

    def history_version(self, user_id: str) -> int:
        return self.history(user_id).version

    def users_between(self, after: int, until: int, limit: int) -> set[str] | None:
        self._check()
        events = list(self._applied.values())[after:until]
        return {event.user_id for event in events} if len(events) <= limit else None

    def event_chunks(self, after_sequence: int, rows: int) -> Iterator[pd.DataFrame]:
        self._check()
        events = list(self._applied.values())
        for start in range(after_sequence, len(events), rows):
            chunk = events[start : start + rows]
            frame = event_frame(chunk)
            frame.insert(0, Columns.SEQUENCE, range(start + 1, start + 1 + len(chunk)))
            yield frame

    def last_sequence(self) -> int:
        self._check()
        return len(self._applied)

    def last_erasure(self) -> int:
        return 0

    def trimmed(self) -> Trimmed:
        return Trimmed()

    def counts(self) -> dict[str, int]:
        touched = [e for e in self._applied.values() if e.type is not EventType.UNDO]
        return {
            "events": len(self._applied),
            "users": len({user for user, *_ in self._state} | set(self._searches)),
            "movies": len({e.item_id for e in touched if e.item_id is not None}),
            "dead_letters": len(self._dead),
        }

    def state_hash(self) -> str:
        lines = sorted(
            [*map(str, key), str(entry.rating), str(entry.timestamp_ms), entry.event_id]
            for key, (entry, _) in self._state.items()
        )
        undone = sorted([*pair, *place] for pair, (place, _) in self._undone.items())
        return hashlib.sha256(json.dumps([lines, undone]).encode()).hexdigest()

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        return list(self._dead.values())[::-1][:limit]

    def applied(self) -> list[Event]:
        """Every event, in the order of application."""
        return list(self._applied.values())

    def interactions(self) -> Iterator[HistoryEntry]:
        """Every entry of the state."""
        return (entry for entry, _ in self._state.values())

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("the store is down")

    def _change(self, event: Event, sequence: int) -> None:
        if event.item_id is None:
            found = self._searches.setdefault(event.user_id, [])
            found.append((event.timestamp_ms, event.event_id, event.query or "", sequence))
            return
        place = event.timestamp_ms, event.event_id
        until, changed = self._undone.get((event.user_id, event.item_id), ((-1, ""), 0))
        if event.type is EventType.UNDO:
            for kind in EventType:
                entry, _ = self._state.get((event.user_id, event.item_id, kind), (None, 0))
                if entry is not None and (entry.timestamp_ms, entry.event_id) <= place:
                    del self._state[event.user_id, event.item_id, kind]
                    changed = sequence
            self._undone[event.user_id, event.item_id] = max(until, place), changed
            return
        if place <= until:
            return
        key = (event.user_id, event.item_id, event.type)
        made = HistoryEntry(event.item_id, event.type, event.rating, *place)
        known = self._state.get(key)
        if known is None or (known[0].timestamp_ms, known[0].event_id) < place:
            self._state[key] = (made, sequence)


def _event(row: Mapping[str, Any]) -> Event:
    values: dict[str, Any] = {
        name: None if pd.isna(value) else value for name, value in row.items()}
    values["type"] = EventType(values["type"])
    return Event(**values)


class InMemoryCatalogue:
    """Films and people; counts come from the store given."""

    def __init__(self, store: InMemoryEventStore) -> None:
        self._store = store
        self._movies: dict[str, Movie] = {}
        self._people: dict[str, Person] = {}
        self._version = 0

    def add_movies(self, movies: Iterable[Movie]) -> int:
        changed = 0
        for movie in movies:
            known = self._movies.get(movie.item_id)
            if known is None or (known.placeholder and not movie.placeholder):
                self._movies[movie.item_id] = movie
                changed += 1
        self._version += changed
        return changed

    def add_people(self, people: Iterable[Person]) -> int:
        before = len(self._people)
        self._people.update({person.user_id: person for person in people})
        return len(self._people) - before

    def movie(self, item_id: str) -> Movie | None:
        return self._movies.get(item_id)

    def movies(self) -> list[Movie]:
        return list(self._movies.values())

    def people(self) -> list[Person]:
        return list(self._people.values())

    def search(self, query: str, limit: int, genre: str | None = None) -> list[Movie]:
        words = query.casefold().split()
        taken = Counter(entry.item_id for entry in self._store.interactions())
        found = [
            movie
            for movie in self._movies.values()
            if all(word in movie.title.casefold() for word in words)
            and (genre is None or genre.casefold() in map(str.casefold, movie.genres))
        ]
        return sorted(found, key=lambda movie: (-taken[movie.item_id], movie.item_id))[:limit]

    def rating_counts(self, item_ids: Sequence[str]) -> dict[str, RatingCounts]:
        ratings: dict[str, Counter[float]] = {item_id: Counter() for item_id in item_ids}
        watches: Counter[str] = Counter()
        for entry in self._store.interactions():
            if entry.item_id in ratings and entry.rating is not None:
                ratings[entry.item_id][entry.rating] += 1
            watches[entry.item_id] += entry.type is EventType.WATCH
        return {
            item_id: RatingCounts(item_id, dict(counts), watches[item_id])
            for item_id, counts in ratings.items()
        }

    def version(self) -> int:
        return self._version


class InMemoryResponseLog:
    """A bounded queue and what was flushed from it."""

    def __init__(self, capacity: int = 1000) -> None:
        self._queue: deque[AnsweredRecord] = deque()
        self._kept: dict[str, AnsweredRecord] = {}
        self._capacity = capacity
        self._dropped = 0

    def record(self, answered: AnsweredRecord) -> bool:
        if len(self._queue) >= self._capacity:
            self._dropped += 1
            return False
        self._queue.append(answered)
        return True

    def trace(self, request_id: str) -> AnsweredRecord | None:
        waiting = {answered.request_id: answered for answered in self._queue}
        return waiting.get(request_id) or self._kept.get(request_id)

    def flush(self) -> None:
        while self._queue:
            answered = self._queue.popleft()
            self._kept[answered.request_id] = answered

    def newest_of(
        self, user_id: str, limit: int = 20, among: int = 50_000
    ) -> list[AnsweredRecord]:
        kept = [self._kept[request_id] for request_id in sorted(self._kept, reverse=True)[:among]]
        found = {a.request_id: a for a in (*kept, *self._queue) if a.user_id == user_id}
        return [found[request_id] for request_id in sorted(found, reverse=True)][:limit]

    def dropped(self) -> int:
        return self._dropped

    def waiting(self) -> int:
        return len(self._queue)

    def failures(self) -> int:
        return 0

    def close(self) -> None:
        self.flush()
