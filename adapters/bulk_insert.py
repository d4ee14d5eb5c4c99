"""Many rows in few statements, in and out.

The sqlite3 driver lets go of the interpreter lock at every step, one a row; with other threads
busy each step then waits up to a thread switch interval (300 rows fetched beside four busy
threads: 148 ms as rows, 6 ms as one row). So rows go in by multi-row VALUES and come out as one
row of JSON arrays. Other drivers hold whole results and need neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import Boolean, Connection, LargeBinary, Select, Table, case, func, select, text
from sqlalchemy.engine import Dialect

ROWS_PER_STATEMENT = 256
VARIABLES_MAX = 30_000
"""SQLite takes 32,766 variables a statement, PostgreSQL 65,535."""
_MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s"}

_texts: dict[tuple[str, str, str, tuple[str, ...], int, str], str] = {}


def bulk_insert(
    connection: Connection,
    into: Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    conflict: str = "",
) -> int:
    """Insert `rows` (values in the order of `columns`); returns how many were inserted or changed.

    `conflict` is a clause such as "ON CONFLICT (event_id) DO NOTHING", the same in SQLite and
    PostgreSQL. With DO UPDATE no two rows of a call may have the same key.

    Raises:
        StoreUnavailable: the transaction must be given up.
    """
    names = tuple(columns)
    if connection.dialect.paramstyle not in _MARKS:
        return _by_row(connection, into, names, rows, conflict)
    changed = done = 0
    while done < len(rows):
        size = _chunk(len(rows) - done, len(names))
        values = tuple(chain.from_iterable(rows[done : done + size]))
        statement = _statement(connection.dialect, into, names, size, conflict)
        changed += connection.exec_driver_sql(statement, values).rowcount
        done += size
    return changed


class ColumnQuery:
    """A query whose result comes by column: one list for each, rows in the same order in each.

    Made once (building a statement takes longer than a small query), run with the values of its
    bind parameters. No order of rows is promised. Floats come with 15 significant digits on
    SQLite.
    """

    def __init__(self, query: Select[Any]) -> None:
        self._query = query
        found = query.subquery("found")
        self._binary = [isinstance(c.type, LargeBinary) for c in found.c]
        self._truth = [isinstance(c.type, Boolean) for c in found.c]
        self._one_row = select(
            *(
                # hex(NULL) is the empty text, not NULL.
                func.json_group_array(case((c.is_not(None), func.hex(c))) if binary else c)
                for c, binary in zip(found.c, self._binary, strict=True)
            )
        )

    def fetch(self, connection: Connection, **values: Any) -> list[list[Any]]:
        """Run it.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        if connection.dialect.name != "sqlite":
            rows = connection.execute(self._query, values).all()
            return [list(c) for c in zip(*rows, strict=True)] or [[] for _ in self._binary]
        row = connection.execute(self._one_row, values).one()
        columns: list[list[Any]] = [orjson.loads(value) for value in row]
        for at, column in enumerate(columns):
            if self._binary[at]:
                columns[at] = [None if v is None else bytes.fromhex(v) for v in column]
            elif self._truth[at]:
                columns[at] = [None if v is None else bool(v) for v in column]
        return columns


def fetch_columns(connection: Connection, query: Select[Any]) -> list[list[Any]]:
    """As `ColumnQuery.fetch`, for a query that is not worth keeping."""
    return ColumnQuery(query).fetch(connection)


def mark(dialect: Dialect) -> str:
    """The placeholder of a value in a statement given to `exec_driver_sql`.

    Raises:
        KeyError: the driver takes no positional values.
    """
    return _MARKS[dialect.paramstyle]


def _chunk(rows: int, columns: int) -> int:
    # Powers of two above 32 and any size below: few different texts, each prepared once.
    most = min(ROWS_PER_STATEMENT, VARIABLES_MAX // columns)
    if rows >= most:
        return most
    return rows if rows <= 32 else int(1 << (rows.bit_length() - 1))


def _statement(
    dialect: Dialect, into: Table, columns: tuple[str, ...], size: int, conflict: str
) -> str:
    key = (dialect.name, dialect.paramstyle, into.name, columns, size, conflict)
    statement = _texts.get(key)
    if statement is None:
        quote = dialect.identifier_preparer.quote
        row = f"({', '.join([mark(dialect)] * len(columns))})"
        statement = _texts[key] = (
            f"INSERT INTO {quote(into.name)} ({', '.join(map(quote, columns))}) "
            f"VALUES {', '.join([row] * size)} {conflict}"
        )
    return statement


def _by_row(
    connection: Connection,
    into: Table,
    columns: tuple[str, ...],
    rows: Sequence[Sequence[Any]],
    conflict: str,
) -> int:
    if not rows:
        return 0
    quote = connection.dialect.identifier_preparer.quote
    statement = text(
        f"INSERT INTO {quote(into.name)} ({', '.join(map(quote, columns))}) "
        f"VALUES ({', '.join(f':{name}' for name in columns)}) {conflict}"
    )
    parameters = [dict(zip(columns, row, strict=True)) for row in rows]
    return connection.execute(statement, parameters).rowcount
