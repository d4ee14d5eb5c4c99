"""What the domain, the web and the workers ask of the outside world.

Each protocol has a contract suite under tests/ that every adapter passes. Times are UTC
milliseconds. Every method that touches a database may raise `StoreUnavailable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import pandas as pd

from recommender.types import (
    Acceptance,
    AnsweredRecord,
    ApiKey,
    Applied,
    AuditEntry,
    DeadLetter,
    Event,
    History,
    Message,
    ModelRecord,
    ModelStatus,
    Movie,
    Person,
    RatingCounts,
    Record,
    Role,
    TopicPartition,
)


class Outbox(Protocol):
    """The accept path: what it has answered for is on disk."""

    def accept(self, events: Sequence[Event]) -> list[Acceptance]:
        """Write the events in one transaction and return after its fsync, one answer an event.

        Concurrent callers share a transaction (group commit). An event whose id is known is
        compared by what the client sent: equal gives DUPLICATE, different CONFLICT. A rating
        above the account's hourly quota gives OVER_QUOTA. The rest of the batch is kept.

        Raises:
            StoreUnavailable: nothing of this batch was written (queue full, disk full, closed).
        """
        ...

    def depth(self) -> int:
        """Events waiting for their transaction plus events not yet relayed to an outer bus."""
        ...

    def close(self) -> None:
        """Commit what waits and stop; later calls to accept raise StoreUnavailable."""
        ...


class Consumer(Protocol):
    """A member of a consumer group. Used by one thread, except `wake` and `close`."""

    def assignment(self) -> set[TopicPartition]:
        """Partitions this member reads now."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read `partition` from `offset` on."""
        ...

    def poll(self, max_records: int, timeout_s: float) -> list[Record]:
        """Next records of partitions not paused, in order within a partition.

        Returns as soon as there is at least one, or after `timeout_s`, or on `wake`.

        Raises:
            BusUnavailable: the bus does not answer; polling again later is safe.
        """
        ...

    def position(self, partition: TopicPartition) -> int:
        """Offset of the next record that poll would return."""
        ...

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Return nothing of these partitions until `resume`."""
        ...

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """End a pause."""
        ...

    def wake(self) -> None:
        """Make a waiting `poll` return at once."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class EventBus(Protocol):
    """Topics with partitions, offsets and consumer groups."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Append the messages; durable when it returns.

        Raises:
            BusUnavailable: not all are known to be written; publishing again may repeat some.
        """
        ...

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        """Join `group`. A partition without a `seek` starts at its first record."""
        ...

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """For each partition of the topics the offset that the next record will get."""
        ...

    def reachable(self) -> bool:
        """Whether the bus answers now."""
        ...

    def close(self) -> None:
        """Let go of all resources."""
        ...


class EventStore(Protocol):
    """Applied events, the state that follows from them, and the offsets: one database."""

    def apply(
        self,
        frame: pd.DataFrame,
        offsets: Mapping[TopicPartition, int] | None = None,
        dead_letters: Sequence[DeadLetter] = (),
        group: str = "ingest",
    ) -> Applied:
        """Apply events, store offsets and dead letters, in one transaction.

        `frame` has the columns of `recommender.schemas.Columns.EVENT`, validated. An event id
        applied before changes nothing. The state does not depend on the order of application:
        a rating is replaced only by one with a later (timestamp, event_id). Unknown films get
        a placeholder. A dead letter of the same (topic, partition, offset) is kept once.
        """
        ...

    def offsets(self, group: str = "ingest") -> dict[TopicPartition, int]:
        """Next offset to read, for each partition that was ever applied."""
        ...

    def history(self, user_id: str) -> History:
        """All that is known of a user; empty for one never seen."""
        ...

    def event_chunks(self, after_sequence: int, rows: int) -> Iterator[pd.DataFrame]:
        """Applied events above a sequence number, in its order, as frames of at most `rows`.

        Columns: `sequence` and those of `Columns.EVENT`.
        """
        ...

    def last_sequence(self) -> int:
        """Sequence number of the newest applied event, 0 for an empty store."""
        ...

    def counts(self) -> dict[str, int]:
        """`events`, `users`, `movies`, `dead_letters`."""
        ...

    def state_hash(self) -> str:
        """SHA-256 over the state in canonical order; equal states have equal hashes."""
        ...

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Newest first."""
        ...


class Catalogue(Protocol):
    """Films and what imports told about people."""

    def add_movies(self, movies: Iterable[Movie]) -> int:
        """Insert or complete (a placeholder becomes a film); how many are new or changed."""
        ...

    def add_people(self, people: Iterable[Person]) -> int:
        """Insert or replace."""
        ...

    def movie(self, item_id: str) -> Movie | None:
        """One film, None when unknown."""
        ...

    def movies(self) -> list[Movie]:
        """The whole catalogue, placeholders too."""
        ...

    def people(self) -> list[Person]:
        """Everyone an import told about."""
        ...

    def search(self, query: str, limit: int, genre: str | None = None) -> list[Movie]:
        """Films whose title holds every word of the query, most interacted first."""
        ...

    def rating_counts(self, item_ids: Sequence[str]) -> dict[str, RatingCounts]:
        """Ratings by value and watches for each of the films."""
        ...

    def version(self) -> int:
        """Grows with every change of the catalogue."""
        ...


class Imports(Protocol):
    """Which sources were imported, so that none is imported twice."""

    def finished(self, import_id: str) -> bool:
        """Whether the source of this content hash was imported to its end."""
        ...

    def record(self, import_id: str, name: str, rows: int, rejected: int, at_ms: int) -> None:
        """Note that it was."""
        ...


class ResponseLog(Protocol):
    """Answers given, kept for traces and audits. Recording never blocks a request."""

    def record(self, answered: AnsweredRecord) -> bool:
        """Queue one answer; False when the queue is full and the answer was dropped (counted)."""
        ...

    def trace(self, request_id: str) -> AnsweredRecord | None:
        """One answer, looked for in the queue too."""
        ...

    def flush(self) -> None:
        """Return when everything recorded before the call is on disk."""
        ...

    def dropped(self) -> int:
        """Answers dropped since the start."""
        ...

    def close(self) -> None:
        """Flush and stop."""
        ...


class AllowList(Protocol):
    """Which models exist and which of them may be loaded; the store decides, not the files."""

    def register(self, version_id: str, name: str, status: ModelStatus, sha256: str,
                 at_ms: int, reason: str | None = None,
                 fencing: tuple[str, int] | None = None) -> ModelRecord:
        """Add a model under the next integer version.

        `fencing` = (job, token) of a lease that must still be held.

        Raises:
            LeaseLost: the fencing token is no longer the newest; nothing was written.
        """
        ...

    def records(self) -> list[ModelRecord]:
        """All, newest first."""
        ...

    def find(self, reference: str) -> ModelRecord | None:
        """By version id, by integer version, or the newest loadable of a model name."""
        ...

    def serving(self) -> ModelRecord | None:
        """The one that answers now."""
        ...

    def serve(self, version_id: str, at_ms: int,
              fencing: tuple[str, int] | None = None) -> ModelRecord:
        """Make it the serving one; the one before becomes PREVIOUS, an older previous AVAILABLE.

        Raises:
            NotFound: no such model.
            ModelRefused: it is refused or retired.
            LeaseLost: as for register.
        """
        ...

    def set_status(self, version_id: str, status: ModelStatus, at_ms: int,
                   reason: str | None = None) -> None:
        """Change the status of a model that is not serving."""
        ...


class JobLeases(Protocol):
    """At most one holder a job, by the clock of the database."""

    def acquire(self, job: str, holder: str, seconds: float) -> int | None:
        """A fencing token, greater than all before it, or None while another holds the job."""
        ...

    def renew(self, job: str, token: int, seconds: float) -> bool:
        """Prolong; False when the lease was lost."""
        ...

    def release(self, job: str, token: int) -> None:
        """Give it back; nothing happens when it was lost."""
        ...


class ApiKeys(Protocol):
    """Keys, stored hashed."""

    def create(
        self, role: Role, name: str, at_ms: int, user_id: str | None = None
    ) -> tuple[ApiKey, str]:
        """A new key and its secret, which is shown this once."""
        ...

    def verify(self, secret: str) -> ApiKey | None:
        """The live key of this secret, None when there is none."""
        ...

    def revoke(self, key_id: str, at_ms: int) -> bool:
        """End a key; False when it is unknown or ended."""
        ...

    def keys(self) -> list[ApiKey]:
        """All, also the revoked."""
        ...


class AuditLog(Protocol):
    """Administrative acts and refusals."""

    def append(self, entry: AuditEntry) -> None:
        """Write one entry; durable when it returns."""
        ...

    def entries(self, limit: int = 100) -> list[AuditEntry]:
        """Newest first."""
        ...


class Telemetry(Protocol):
    """Gauges and counters, named as in docs/api-contract.md."""

    def request(self, route: str, status: int, seconds: float) -> None: ...
    def recommendation(self, kind: str) -> None: ...
    def events_accepted(self, count: int) -> None: ...
    def events_applied(self, count: int) -> None: ...
    def events_duplicate(self, count: int) -> None: ...
    def events_dead_lettered(self, count: int) -> None: ...
    def freshness(self, seconds: float) -> None: ...
    def consumer_lag(self, topic: str, partition: int, records: int) -> None: ...
    def outbox_depth(self, events: int) -> None: ...
    def serving_model(
        self, name: str, version: int, version_id: str, created_at_ms: int
    ) -> None: ...
    def model_refused(self, cause: str) -> None: ...
    def training(self, outcome: str, seconds: float) -> None: ...
    def gate_refusal(self, reason: str) -> None: ...
    def responses_dropped(self, count: int) -> None: ...
    def rate_limiter_failed(self) -> None: ...
