"""The rows of the outbox that are still to be sent (`ports.RelayQueue`)."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import orjson
import structlog
from sqlalchemy import Engine, RootTransaction, bindparam, func, select, text

from adapters.bulk_insert import ColumnQuery
from adapters.database import reading
from adapters.kept_connection import KeptConnection
from adapters.tables import UNSENT, outbox
from recommender.errors import StoreUnavailable
from recommender.types import Unsent

_OLDEST = (
    select(
        outbox.c.sequence, outbox.c.event_id, outbox.c.topic, outbox.c.key, outbox.c.value,
        outbox.c.accepted_at_ms,
    )
    .where(UNSENT, outbox.c.topic.not_in(bindparam("without", expanding=True)))
    .order_by(outbox.c.sequence)
    .limit(bindparam("most"))
)  # fmt: skip
# PostgreSQL commits out of sequence: rows are picked by their state, never by "above the last".
_OLDEST_FREE = _OLDEST.with_for_update(skip_locked=True)
_OLDEST_OF_SQLITE = ColumnQuery(_OLDEST)
_BACKLOG = select(func.count()).select_from(outbox).where(UNSENT)
_MARK = {
    "postgresql": text("UPDATE outbox SET sent_at_ms = :now WHERE sequence = ANY(:rows)"),
    "sqlite": text(
        "UPDATE outbox SET sent_at_ms = :now WHERE sequence IN (SELECT value FROM json_each(:rows))"
    ),
}
_log = structlog.get_logger()


class SqlRelayQueue:
    """On PostgreSQL a batch is taken by row locks: a transaction stays open until it is marked or
    given back, and ends with its session when the process dies. On SQLite a lock on a file beside
    the database lets one queue at a time take; the database itself stays free for writers.
    """

    def __init__(
        self, engine: Engine, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._connection = KeptConnection(engine)
        self._open: RootTransaction | None = None
        self._claim = _FileClaim(engine) if engine.dialect.name == "sqlite" else None
        self._taken: frozenset[int] = frozenset()
        self._changed = threading.Condition()
        self._news = False

    def take(self, limit: int, without: Collection[str] = ()) -> list[Unsent]:
        """As `ports.RelayQueue.take`."""
        if self._taken:
            raise RuntimeError("the batch before was neither marked nor given back")
        with self._changed:
            self._news = False
        try:
            batch = (self._take_free(limit, without) if self._claim is None
                     else self._take_all(limit, without))
        except BaseException:
            self.give_back()
            self._connection.discard()
            raise
        self._taken = frozenset(row.sequence for row in batch)
        if not batch:
            self.give_back()
        return batch

    def mark_sent(self, sequences: Collection[int]) -> None:
        """As `ports.RelayQueue.mark_sent`."""
        foreign = set(sequences) - self._taken
        if foreign:
            raise ValueError(f"not of the batch that was taken: {sorted(foreign)[:5]}")
        try:
            if sequences:
                self._mark(sequences)
        finally:
            self.give_back()

    def give_back(self) -> None:
        """As `ports.RelayQueue.give_back`."""
        transaction, self._open = self._open, None
        self._taken = frozenset()
        if transaction is not None:
            try:
                transaction.rollback()
            except Exception as error:  # noqa: BLE001  its session ends, and so do its locks
                _log.warning("relay_batch_given_back_by_force", error=str(error))
                self._connection.discard()
        if self._claim is not None:
            self._claim.release()

    def backlog(self) -> int:
        """As `ports.RelayQueue.backlog`."""
        with reading(self._engine) as connection:
            return connection.execute(_BACKLOG).scalar_one()

    def wait(self, timeout_s: float) -> None:
        """As `ports.RelayQueue.wait`."""
        with self._changed:
            self._changed.wait_for(lambda: self._news, timeout_s)

    def accepted(self) -> None:
        """Something was written to the outbox by this process; also ends a `wait`."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    wake = accepted

    def close(self) -> None:
        """As `ports.RelayQueue.close`."""
        self.give_back()
        self._connection.close()

    def _take_free(self, limit: int, without: Collection[str]) -> list[Unsent]:
        connection = self._connection.get()
        self._open = connection.begin()
        values = {"most": limit, "without": without}
        return [Unsent(*row) for row in connection.execute(_OLDEST_FREE, values)]

    def _take_all(self, limit: int, without: Collection[str]) -> list[Unsent]:
        assert self._claim is not None
        if not self._claim.obtain():
            return []
        with reading(self._engine) as connection:
            columns = _OLDEST_OF_SQLITE.fetch(connection, most=limit, without=without)
        rows = (Unsent(*row) for row in zip(*columns, strict=True))
        return sorted(rows, key=lambda unsent: unsent.sequence)

    def _mark(self, sequences: Collection[int]) -> None:
        if self._open is None:
            values = {"now": self._clock_ms(), "rows": orjson.dumps(list(sequences)).decode()}
            with self._connection.transaction() as connection:
                connection.execute(_MARK["sqlite"], values)
            return
        transaction, self._open = self._open, None
        try:
            of_postgresql: dict[str, Any] = {"now": self._clock_ms(), "rows": list(sequences)}
            self._connection.get().execute(_MARK["postgresql"], of_postgresql)
            transaction.commit()
        except BaseException:
            self._connection.discard()
            raise


class _FileClaim:
    """A lock of the system on a file beside the database: it ends with its process."""

    def __init__(self, engine: Engine) -> None:
        self._path = f"{engine.url.database}-relay"
        self._file: int | None = None

    def obtain(self) -> bool:
        """Whether it is ours now.

        Raises:
            StoreUnavailable: the file cannot be made.
        """
        try:
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        except OSError as error:
            self.release()
            raise StoreUnavailable(f"database unavailable: {error}") from error
        return True

    def release(self) -> None:
        """Let others have it; nothing happens when it is not ours."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)
