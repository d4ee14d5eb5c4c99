"""One connection for all transactions of a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from adapters.database import write_connection


class KeptConnection:
    """Taking a connection from the pool costs as much as a commit, so this one is kept.

    `opened` is called with each new connection before its first transaction; what it raises
    leaves no connection behind.
    """

    def __init__(
        self, engine: Engine, opened: Callable[[Connection], None] = lambda _connection: None
    ) -> None:
        self._engine = engine
        self._opened = opened
        self._connection: Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write transaction as `database.writing` opens it.

        Raises:
            StoreUnavailable: nothing was written.
        """
        connection = self.get()
        try:
            with connection.begin():
                yield connection
        except BaseException:
            # After a failed commit the driver may still be inside the transaction.
            self.discard()
            raise

    def get(self) -> Connection:
        """The connection; the caller begins its transactions.

        Raises:
            StoreUnavailable: there is none to be had.
        """
        if self._connection is None:
            connection = write_connection(self._engine)
            try:
                self._opened(connection)
            except BaseException:
                connection.invalidate()
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def discard(self) -> None:
        """Close the connection itself; the next transaction opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    close = discard
