"""The transactions that append to the embedded log. Used by one thread, but `end_offset`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from adapters.bulk_insert import bulk_insert
from adapters.intake import Work, by_work
from adapters.kept_connection import KeptConnection
from adapters.log_ends import Ends, partition_ends
from adapters.outbox import decided, note_probe
from adapters.partitioner import partition_of
from adapters.postgresql_engine import own_for_life
from adapters.tables import log_properties, outbox
from recommender.errors import LogTaken
from recommender.types import Acceptance

_COLUMNS = ("event_id", "topic", "partition", "offset", "key", "value", "accepted_at_ms")
_CLUSTER_ID = "cluster_id"
_ATTEMPTS = 3
_RESTART_S = 5.0
"""How long a new process waits for the one before it to end."""
_RECONNECTION_S = 2.0
"""How long the server may take to notice that our lost session has ended."""
_log = structlog.get_logger()


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
        """`appended` is called after each commit that added records.

        Raises:
            StoreUnavailable: the database does not answer, or, on PostgreSQL, another process
                writes to this log.
        """
        self._partitions = partitions
        self._ratings_per_hour = ratings_per_hour
        self._clock_ms = clock_ms
        self._appended = appended
        self._connection = KeptConnection(engine, self._own)
        self._patience_s = _RESTART_S
        with self._connection.transaction() as connection:
            self.cluster_id = cluster_id(connection) or _name(connection)
            self._ends = partition_ends(connection)
        self._patience_s = _RECONNECTION_S

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
                with self._connection.transaction() as connection:
                    self._ends = partition_ends(connection)
        return self._commit(works)

    def close(self) -> None:
        """Let go of the connection, and with it of the log."""
        self._connection.close()

    def _own(self, connection: Connection) -> None:
        # PostgreSQL lets a second writer commit lower numbers after higher ones: readers would
        # pass them by. SQLite has one writer at a time.
        if connection.dialect.name == "postgresql" and not own_for_life(
            connection, outbox.name, self._patience_s
        ):
            raise LogTaken("another process owns the embedded log of this database")

    def _commit(self, works: Sequence[Work]) -> Sequence[Sequence[Acceptance]]:
        offers = [each for work in works for each in work.offers]
        now_ms = self._clock_ms()
        ends = dict(self._ends)
        with self._connection.transaction() as connection:
            answers, fresh = decided(connection, offers, self._ratings_per_hour, now_ms)
            rows = [
                (o.event.event_id, *self._place(ends, o.topic, o.event.user_id), o.value,
                 o.accepted_at_ms(now_ms))
                for o in fresh
            ]
            rows += [
                (f"message/{uuid.uuid4().hex}", *self._place(ends, m.topic, m.key), m.value,
                 max(now_ms, m.made_at_ms))
                for work in works
                for m in work.messages
            ]
            bulk_insert(connection, outbox, _COLUMNS, rows)
            if any(work.probe for work in works):
                note_probe(connection, now_ms)
        self._ends = ends
        if rows:
            self._appended()
        return by_work(works, answers)

    def _place(self, ends: Ends, topic: str, key: str) -> tuple[str, int, int, str]:
        partition = partition_of(key, self._partitions)
        offset = ends.get((topic, partition), 0)
        ends[topic, partition] = offset + 1
        return topic, partition, offset, key


def cluster_id(connection: Connection) -> str | None:
    """The name of the log, None when none was ever opened in this database."""
    named = select(log_properties.c.value).where(log_properties.c.name == _CLUSTER_ID)
    return connection.execute(named).scalar()


def _name(connection: Connection) -> str:
    made = uuid.uuid4().hex
    connection.execute(insert(log_properties).values(name=_CLUSTER_ID, value=made))
    return made
