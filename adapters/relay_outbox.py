"""The outbox in front of an outer bus: accepted events wait in a table until they are relayed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hashlib import blake2b

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from adapters.bulk_insert import bulk_insert
from adapters.intake import Intake, Work, by_work
from adapters.kept_connection import KeptConnection
from adapters.outbox import Offer, decided, note_probe
from adapters.postgresql_engine import is_rival
from adapters.relay_queue import SqlRelayQueue
from adapters.tables import NO_PARTITION, outbox
from recommender.errors import StoreUnavailable
from recommender.types import Acceptance, Event, EventType

_COLUMNS = ("event_id", "topic", "partition", "key", "value", "accepted_at_ms")
_ATTEMPTS = 5
_LOCKS = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"
_log = structlog.get_logger()


class RelayOutbox:
    """`ports.Outbox` over rows that a relay sends. Any number of processes may share the table.

    `queue` is told of what was accepted here, and counts what is still to be sent.
    """

    def __init__(
        self,
        engine: Engine,
        queue: SqlRelayQueue,
        waiting_max: int = 20_000,
        ratings_per_hour: int | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """At most `waiting_max` events wait for their transaction, but for one larger batch."""
        self._connection = KeptConnection(engine)
        self._queue = queue
        self._ratings_per_hour = ratings_per_hour
        self._clock_ms = clock_ms
        self._intake = Intake(self._commit, waiting_max)

    def accept(self, events: Sequence[Event]) -> list[Acceptance]:
        """As `ports.Outbox.accept`."""
        return self._intake.accept(events)

    def depth(self) -> int:
        """As `ports.Outbox.depth`."""
        return self._intake.waiting() + self._queue.backlog()

    def close(self) -> None:
        """As `ports.Outbox.close`; the queue is closed by who made it."""
        self._intake.close()
        self._connection.close()

    # --- the writer thread

    def _commit(self, works: Sequence[Work]) -> Sequence[Sequence[Acceptance]]:
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._write(works)
            except IntegrityError:
                # Another process wrote the same event meanwhile: now it is known.
                _log.info("outbox_met_the_same_event")
            except StoreUnavailable as error:
                if not is_rival(error.__cause__):
                    raise
                _log.info("outbox_lost_to_a_rival", error=str(error))
        return self._write(works)

    def _write(self, works: Sequence[Work]) -> Sequence[Sequence[Acceptance]]:
        offers = [each for work in works for each in work.offers]
        now_ms = self._clock_ms()
        with self._connection.transaction() as connection:
            if self._ratings_per_hour is not None:
                _wait_for_raters(connection, offers)
            answers, fresh = decided(connection, offers, self._ratings_per_hour, now_ms)
            rows = [
                (o.event.event_id, o.topic, NO_PARTITION, o.event.user_id, o.value,
                 o.accepted_at_ms(now_ms))
                for o in fresh
            ]
            bulk_insert(connection, outbox, _COLUMNS, rows)
            if any(work.probe for work in works):
                note_probe(connection, now_ms)
        if rows:
            self._queue.accepted()
        return by_work(works, answers)


def _wait_for_raters(connection: Connection, offers: Sequence[Offer]) -> None:
    """Let no other process count the ratings of these users until the transaction ends."""
    if connection.dialect.name != "postgresql":
        return  # there a write transaction is alone
    users = {o.event.user_id for o in offers if o.event.type is EventType.RATE}
    if users:
        # In one order, so that two processes never wait for each other in a circle.
        connection.exec_driver_sql(_LOCKS, (sorted(map(_lock_of, users)),))


def _lock_of(user: str) -> int:
    return int.from_bytes(blake2b(user.encode(), digest_size=8).digest(), "big", signed=True)
