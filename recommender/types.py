"""Values that travel between the rooms: events, films, histories, answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from recommender.answer_text import AnswerText


class EventType(StrEnum):
    """What a person did. An undo takes back the rating, the watch and the view of one film."""

    RATE = "rate"
    WATCH = "watch"
    VIEW = "view"
    SEARCH = "search"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a person did, as accepted at the door.

    `item_id` is None for a search only; `rating` is set for a rate, `minute` (of the film,
    reached) may be set for a watch, `query` is set for a search. Times are UTC milliseconds.
    `client_timestamp` tells whether the client sent the timestamp (else it is the arrival time
    and takes no part in the comparison of two events of one id).
    """

    event_id: str
    type: EventType
    user_id: str
    item_id: str | None
    timestamp_ms: int
    received_at_ms: int
    source: str
    rating: float | None = None
    minute: int | None = None
    query: str | None = None
    schema_version: int = 1
    client_timestamp: bool = True


class Outcome(StrEnum):
    """What became of an event offered to the outbox."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    OVER_QUOTA = "over_quota"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The outbox's answer for one event; `retry_after_s` is set for OVER_QUOTA only."""

    event_id: str
    outcome: Outcome
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class TopicPartition:
    """One partition of a topic of the bus."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Record:
    """One message read from the bus. `value` is the raw bytes as they lie on the topic."""

    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish on the bus; the partition follows from the key.

    made_at_ms: its record is not dated before, even when the clock has been set back since.
    """

    topic: str
    key: str
    value: bytes
    made_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Unsent:
    """A row of the outbox that an outer bus has not acknowledged. `sequence` is its name there."""

    sequence: int
    event_id: str
    topic: str
    key: str
    value: bytes
    accepted_at_ms: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be applied, kept with the reason. Its place names it.

    `timestamp_ms` is that of the record: an event without a time of its own has this one.
    """

    cluster_id: str
    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes
    reason: str
    timestamp_ms: int = 0


@dataclass(frozen=True, slots=True)
class Applied:
    """What one apply transaction did: events applied now, events applied before.

    `conflicts` are events whose id was applied before with other content; `erased` are events of
    people who were taken out, and are dropped; `letters` are all dead letters of the transaction
    in the order of their places. The events applied have the sequence
    numbers above `after` up to `until`, and no other event has one of these.
    """

    applied: int
    duplicates: int
    conflicts: int = 0
    letters: tuple[DeadLetter, ...] = ()
    after: int = field(default=0, compare=False)
    until: int = field(default=0, compare=False)
    erased: int = 0


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Sequence numbers up to which applied events were removed for their age; 0 for none.

    All `events` up to the one, which are in snapshots; `browse_events` (views and searches) up to
    the other, for good.
    """

    events: int = 0
    browse_events: int = 0


@dataclass(frozen=True, slots=True)
class Movie:
    """A film of the catalogue. A placeholder stands for an id seen in an event only."""

    item_id: str
    title: str
    year: int | None = None
    genres: tuple[str, ...] = ()
    added_at_ms: int = 0
    placeholder: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """What an import told about a user; every field but the id may be unknown."""

    user_id: str
    gender: str | None = None
    age: int | None = None
    occupation: str | None = None


@dataclass(frozen=True, slots=True)
class RatingCounts:
    """How one film was rated: counts by rating value, and how often it was watched."""

    item_id: str
    by_rating: dict[float, int] = field(default_factory=dict)
    watches: int = 0

    @property
    def ratings(self) -> int:
        """Number of ratings."""
        return sum(self.by_rating.values())

    @property
    def mean(self) -> float | None:
        """Mean rating, None when nobody rated the film."""
        total = self.ratings
        return sum(r * n for r, n in self.by_rating.items()) / total if total else None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """The state of one (user, film, kind): the latest event of that kind by (time, event id).

    There is none of the type UNDO, and none of an event that an undo took back.
    """

    item_id: str
    type: EventType
    rating: float | None
    timestamp_ms: int
    event_id: str


BROWSED_MAX = 1_000
"""Views, and searches, of one user that a history holds: anybody can make any number of them."""


@dataclass(frozen=True, slots=True)
class History:
    """What the store knows of one user: all ratings and watches, the newest views and searches.

    `entries` are ordered by (timestamp_ms, event_id), oldest first; at most one per film and
    kind. `searches` are the queries typed, oldest first. Of views and of searches there are at
    most `BROWSED_MAX`. `version` grows with every change, also of older ones (it is the sequence
    number of the newest event that made one; 0 for a user never seen).
    """

    user_id: str
    version: int
    entries: tuple[HistoryEntry, ...] = ()
    searches: tuple[str, ...] = ()


class ModelStatus(StrEnum):
    """Where a model stands. Only LOADABLE ones may be unpickled."""

    SERVING = "serving"
    CANDIDATE = "candidate"
    AVAILABLE = "available"
    PREVIOUS = "previous"
    REFUSED = "refused"
    RETIRED = "retired"


LOADABLE = frozenset(
    {ModelStatus.SERVING, ModelStatus.CANDIDATE, ModelStatus.AVAILABLE, ModelStatus.PREVIOUS}
)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A row of the allow-list: `version` is monotonic, `version_id` names the files."""

    version: int
    version_id: str
    name: str
    status: ModelStatus
    sha256: str
    created_at_ms: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ServingChoice:
    """What an administrator last chose to serve.

    name: serve the newest model of this name that passed the gate, also those still to come;
    `AUTOMATIC`: the best of each training. None: the model that serves is held; trainings serve
    none.
    """

    name: str | None

    @property
    def automatic(self) -> bool:
        """Whether each training chooses, as before the first choice."""
        return self.name == AUTOMATIC

    @property
    def held(self) -> bool:
        """Whether trainings leave the serving model alone."""
        return self.name is None


HELD = ServingChoice(None)
AUTOMATIC = "automatic"
"""Stands for the name of a model in a switch: let each training choose the best."""


FAILED_FROM = 500


def answer_failed(status: int) -> bool:
    """Whether an answer of this HTTP status had no list to show: it counts for no film and no
    success. Refused requests (400 to 499) had none either; they are not logged."""
    return status >= FAILED_FROM


class AnsweredRecord(NamedTuple):
    """One answer of /recommend as logged; `timestamp_ms` is the time that the answer gives.

    A tuple: one is made for each answer, and a frozen dataclass takes four times as long.
    """

    request_id: str
    timestamp_ms: int
    user_id: str
    variant: str
    model_version: str
    history_version: int
    is_personalized: bool
    status: int
    latency_us: int
    text: AnswerText

    @property
    def body(self) -> bytes:
        """The JSON answer, byte for byte."""
        return self.text.complete(self.request_id, self.timestamp_ms)


class Role(StrEnum):
    """What an API key may do."""

    CLIENT = "client"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as stored: never the secret itself. `user_id` binds a client key to one user.

    Logins to the pages with it, begun at `sessions_ended_ms` or before, are over.
    """

    key_id: str
    role: Role
    name: str
    created_at_ms: int
    user_id: str | None = None
    revoked_at_ms: int | None = None
    sessions_ended_ms: int | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, when, and how it ended."""

    at_ms: int
    actor: str
    action: str
    target: str
    outcome: str
    detail: str = ""
