"""The way of an event: outbox, bus, store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import pandas as pd

from recommender.types import (
    Acceptance,
    Applied,
    DeadLetter,
    Event,
    History,
    Message,
    Record,
    TopicPartition,
    Trimmed,
    Unsent,
)

SetAside = Callable[[int, str], DeadLetter]
"""(row of the frame, reason) -> the dead letter of the record that the row came from."""


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
        """Events waiting for their transaction plus events not yet relayed to an outer bus.

        Raises:
            StoreUnavailable: nothing can be accepted: closed, or the last transaction failed and
                none has succeeded since. An outbox that nobody calls finds out by itself, within
                seconds of being asked, that it can write again.
        """
        ...

    def close(self) -> None:
        """Commit what waits and stop; later calls to accept raise StoreUnavailable."""
        ...


class RelayQueue(Protocol):
    """What the outbox has accepted and an outer bus has not acknowledged yet. For one thread.

    Several queues on one database, in one process or in many, share the work: a row that one has
    taken no other takes. A process that ends in whatever way gives back what it had taken. A row
    may be taken again although it was sent (a crash between acknowledgement and `mark_sent`);
    readers of the bus know it by its event id.
    """

    def take(self, limit: int, without: Collection[str] = ()) -> list[Unsent]:
        """The oldest unsent rows that no other queue has taken, at most `limit`; none when idle.

        Rows of the topics `without` are left for later.

        They are taken until `mark_sent` or `give_back`. Keep that short of minutes: on PostgreSQL
        a transaction stays open for as long.

        Raises:
            StoreUnavailable: nothing was taken.
            RuntimeError: the batch before was neither marked nor given back.
        """
        ...

    def mark_sent(self, sequences: Collection[int]) -> None:
        """The bus has acknowledged these rows of the batch; the rest of the batch is given back.

        Durable when it returns.

        Raises:
            StoreUnavailable: nothing was noted; all of the batch will be taken again.
            ValueError: a row is not of the batch; the batch stays taken.
        """
        ...

    def give_back(self) -> None:
        """Let others take the batch; nothing happens without one. Never raises."""
        ...

    def backlog(self) -> int:
        """Rows not marked as sent, taken ones too; may be called from any thread.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        ...

    def wait(self, timeout_s: float) -> None:
        """Return when this process has accepted something since the last `take` began, on `wake`,
        or after the time. What other processes leave behind is found by a `take`."""
        ...

    def wake(self) -> None:
        """Make a waiting `wait` return at once; may be called from any thread."""
        ...

    def close(self) -> None:
        """Give back what is taken and let go of the database; call it when the thread has ended."""
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

        Returns as soon as there is at least one, or after `timeout_s`, or on `wake`; and with
        none when partitions came to this member of which `assignment` has not told yet: they
        are read from the next poll on, so that the caller can `seek` first.

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
    """Topics with partitions, offsets and consumer groups. Thread-safe."""

    @property
    def cluster_id(self) -> str:
        """Names the log behind the bus, also after a restart; another log has another.

        Raises:
            BusUnavailable: it is not known before the bus has answered once.
        """
        ...

    def publish(self, messages: Sequence[Message]) -> None:
        """Append the messages; durable when it returns.

        Raises:
            PartlyPublished: those it names are not known to be written, all others are.
            BusUnavailable: none is known to be written. Publishing again may repeat some.
        """
        ...

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        """Join `group`, with the first `poll` at the latest.

        A partition without a `seek` starts at its first record.
        """
        ...

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """For each partition of the topics the offset that the next record will get."""
        ...

    def problem(self) -> str | None:
        """Why the bus cannot be used now, None when it can. Asks it: this may take seconds."""
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
        set_aside: SetAside | None = None,
    ) -> Applied:
        """Apply events, store offsets and dead letters, in one transaction.

        `frame` has the columns of `recommender.schemas.Columns.EVENT`, validated. An event id
        applied before changes nothing: the same content (`event_codec.same_row`) is a duplicate,
        other content a conflict, stored as the dead letter that `set_aside` makes of it (only
        counted without). The state does not depend on the order of application: a rating is
        replaced only by one with a later (timestamp, event_id), and an undo takes back what its
        user did with its film up to its own (timestamp, event_id), also what is applied after it.
        Unknown films get a placeholder, though not from an undo. A dead letter of the same
        (cluster, topic, partition, offset) is kept once. Events and letters of people who were
        taken out come back neither (`recommender.erasure.comes_back`).
        """
        ...

    def offsets(self, group: str = "ingest") -> dict[TopicPartition, int]:
        """Next offset to read, for each partition that was ever applied."""
        ...

    def history(self, user_id: str) -> History:
        """All ratings and watches of a user, the newest `BROWSED_MAX` views and as many searches.

        Empty for a user never seen.
        """
        ...

    def history_version(self, user_id: str) -> int:
        """The version that `history` would have; grows with each event that changes it."""
        ...

    def users_between(self, after: int, until: int, limit: int) -> set[str] | None:
        """Users of the applied events with a sequence number above `after` up to `until`.

        None when these are more than `limit` events.
        """
        ...

    def event_chunks(self, after_sequence: int, rows: int) -> Iterator[pd.DataFrame]:
        """Applied events above a sequence number, in its order, as frames of at most `rows`.

        Columns: `sequence` and those of `Columns.EVENT`.
        """
        ...

    def last_sequence(self) -> int:
        """Sequence number of the newest applied event, 0 for an empty store."""
        ...

    def trimmed(self) -> Trimmed:
        """How far events were removed for their age; the state that followed from them stays."""
        ...

    def last_erasure(self) -> int:
        """When the newest erasure of a person ended, in UTC ms; 0 without one."""
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
