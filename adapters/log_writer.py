"""The transactions that append to the embedded log. Used by one thread, but `end_offset`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Engine, insert, select, tuple_
from sqlalchemy.exc import IntegrityError

from adapters.bulk_insert import bulk_insert
from adapters.database import write_connection, writing
from adapters.outbox import Offer, decide, known_values, recent_ratings
from adapters.partitioner import partition_of
from adapters.tables import log_properties, outbox
from recommender.types import Acceptance, Message

_COLUMNS = ("event_id", "topic", "partition", "offset", "key", "value", "accepted_at_ms")
_CLUSTER_ID = "cluster_id"
_PROBED = "probed_at_ms"
_ATTEMPTS = 3
_log = structlog.get_logger()

Ends = dict[tuple[str, int], int]
"""For each (topic, partition) the offset that the next record gets."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one caller wants appended: events, or messages for topics.

    `probe` asks for a small write that appends nothing: whether the database takes one.
    """

    offers: Sequence[Offer] = ()
    messages: Sequence[Message] = ()
    probe: bool = False


class LogWriter:
    """Gives each record its topic, partition and offset, and writes batches of work."""

    def __init__(
        self,
        engine: Engine,
        partitions: int,
        ratings_per_hour: int | None,
        clock_ms: Callable[[], int],
        appended: Callable[[], None],
    ) -> None:
        """`appended` is called after each commit that added records."""
        self._engine = engine
        self._partitions = partitions
        self._ratings_per_hour = ratings_per_hour
        self._clock_ms = clock_ms
        self._appended = appended
        self._connection: Connection | None = None
        with writing(engine) as connection:
            self.cluster_id = _cluster_id(connection)
            self._ends = _read_ends(connection)

    def end_offset(self, topic: str, partition: int) -> int:
        """The offset that the next record of the partition gets."""
        return self._ends.get((topic, partition), 0)

    def partitions_of(self, topic: str) -> int:
        """Partitions of the topic to read: those of new records, and all that hold old ones."""
        used = (p for t, p in self._ends if t == topic)
        return max(self._partitions, 1 + max(used, default=0))

    def commit(self, works: Sequence[Work]) -> Sequence[Sequence[Acceptance]]:
        """Write all works in one transaction; the answers for the events of each.

        Raises:
            StoreUnavailable: nothing was written.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._commit(works)
            except IntegrityError:
                # Another process wrote to this log: read anew where its partitions end.
                _log.warning("log_has_another_writer")
                with writing(self._engine) as connection:
                    self._ends = _read_ends(connection)
        return self._commit(works)

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit(self, works: Sequence[Work]) -> Sequence[Sequence[Acceptance]]:
        offers = [each for work in works for each in work.offers]
        now_ms = self._clock_ms()
        ends = dict(self._ends)
        with self._transaction() as connection:
            answers, fresh = self._decided(connection, offers, now_ms)
            rows = [
                (o.event.event_id, *self._place(ends, o.topic, o.event.user_id), o.value, now_ms)
                for o in fresh
            ]
            rows += [
                (f"message/{uuid.uuid4().hex}", *self._place(ends, m.topic, m.key), m.value, now_ms)
                for work in works
                for m in work.messages
            ]
            bulk_insert(connection, outbox, _COLUMNS, rows)
            if any(work.probe for work in works):
                _note_probe(connection, now_ms)
        self._ends = ends
        if rows:
            self._appended()
        return _by_work(works, answers)

    def _decided(
        self, connection: Connection, offers: Sequence[Offer], now_ms: int
    ) -> tuple[list[Acceptance], list[Offer]]:
        if not offers:
            return [], []
        known = known_values(connection, [o.event.event_id for o in offers])
        limit = self._ratings_per_hour
        recent = {} if limit is None else recent_ratings(connection, offers, now_ms)
        return decide(offers, known, recent, limit, now_ms)

    def _place(self, ends: Ends, topic: str, key: str) -> tuple[str, int, int, str]:
        partition = partition_of(key, self._partitions)
        offset = ends.get((topic, partition), 0)
        ends[topic, partition] = offset + 1
        return topic, partition, offset, key

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        # One connection for all transactions: taking it from the pool costs as much as a commit.
        if self._connection is None:
            self._connection = write_connection(self._engine)
        connection = self._connection
        try:
            with connection.begin():
                yield connection
        except BaseException:
            # After a failed commit the driver may still be inside the transaction.
            self._connection = None
            connection.invalidate()
            connection.close()
            raise


def _by_work(
    works: Sequence[Work], answers: Sequence[Acceptance]
) -> Sequence[Sequence[Acceptance]]:
    split = []
    start = 0
    for work in works:
        split.append(answers[start : start + len(work.offers)])
        start += len(work.offers)
    return split


def _cluster_id(connection: Connection) -> str:
    named = select(log_properties.c.value).where(log_properties.c.name == _CLUSTER_ID)
    found = connection.execute(named).scalar()
    if found is None:
        found = uuid.uuid4().hex
        connection.execute(insert(log_properties).values(name=_CLUSTER_ID, value=found))
    return found


def _note_probe(connection: Connection, now_ms: int) -> None:
    bulk_insert(
        connection,
        log_properties,
        ("name", "value"),
        [(_PROBED, str(now_ms))],
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )


def _read_ends(connection: Connection) -> Ends:
    # Jumps from partition to partition through the unique index: a group-by reads all of it.
    ends: Ends = {}
    place = (outbox.c.topic, outbox.c.partition)
    first = select(*place).where(outbox.c.offset.is_not(None)).order_by(*place).limit(1)
    found = connection.execute(first).first()
    while found is not None:
        topic, partition = found
        newest = (
            select(outbox.c.offset)
            .where(outbox.c.topic == topic, outbox.c.partition == partition)
            .order_by(outbox.c.offset.desc())
            .limit(1)
        )
        ends[topic, partition] = (connection.execute(newest).scalar() or 0) + 1
        found = connection.execute(
            first.where(tuple_(*place) > tuple_(topic, partition))
        ).first()
    return ends
