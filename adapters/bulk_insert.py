"""Many rows in few statements, in and out.

The sqlite3 driver lets go of the interpreter lock at every step, one a row; with other threads
busy each step then waits up to a thread switch interval (300 rows fetched beside four busy
threads: 148 ms as rows, 6 ms as one row). So rows go in by multi-row VALUES and come out as one
row of JSON arrays.

On PostgreSQL rows go in as one array a column: one round trip whatever their number, and 64,000
rows/s where VALUES takes 15,000 (5,000 events at once).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    LargeBinary,
    Select,
    String,
    Table,
    case,
    func,
    select,
)
from sqlalchemy.engine import Dialect

ROWS_PER_STATEMENT = 256
VARIABLES_MAX = 30_000
"""SQLite takes 32,766 variables a statement."""
ROWS_PER_ARRAY = 20_000
"""Bounds what one statement of PostgreSQL holds in memory."""

_texts: dict[tuple[str, str, tuple[str, ...], int, str], str] = {}


def bulk_insert(
    connection: Connection,
    into: Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    conflict: str = "",
) -> int:
    """Insert `rows` (values in the order of `columns`); returns how many were inserted or changed.

    `conflict` is a clause such as "ON CONFLICT (event_id) DO NOTHING", the same in SQLite and
    PostgreSQL. With DO UPDATE no two rows of a call may have the same key. On PostgreSQL
    transactions that insert the same keys at the same time should do so in the same order.

    Raises:
        StoreUnavailable: the transaction must be given up.
    """
    names = tuple(columns)
    by_array = connection.dialect.name == "postgresql"
    changed = done = 0
    while done < len(rows):
        left = len(rows) - done
        size = min(left, ROWS_PER_ARRAY) if by_array else _chunk(left, len(names))
        some = rows[done : done + size]
        values = _arrays(into, names, some) if by_array else tuple(chain.from_iterable(some))
        statement = _statement(connection.dialect, into, names, 0 if by_array else size, conflict)
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


def _chunk(rows: int, columns: int) -> int:
    # Powers of two above 32 and any size below: few different texts, each prepared once.
    most = min(ROWS_PER_STATEMENT, VARIABLES_MAX // columns)
    if rows >= most:
        return most
    return rows if rows <= 32 else int(1 << (rows.bit_length() - 1))


def _statement(
    dialect: Dialect, into: Table, columns: tuple[str, ...], size: int, conflict: str
) -> str:
    """For `size` rows, or for arrays of any length with a size of 0."""
    key = (dialect.name, into.name, columns, size, conflict)
    statement = _texts.get(key)
    if statement is None:
        quote = dialect.identifier_preparer.quote
        if size:
            row = f"({', '.join('?' * len(columns))})"
            source = f"VALUES {', '.join([row] * size)}"
        else:
            arrays = (f"%s::{_array_type(into.c[name], dialect)}" for name in columns)
            source = f"SELECT * FROM unnest({', '.join(arrays)})"
        statement = _texts[key] = (
            f"INSERT INTO {quote(into.name)} ({', '.join(map(quote, columns))}) {source} {conflict}"
        )
    return statement


def _array_type(column: Column[Any], dialect: Dialect) -> str:
    # A cast to varchar(n) would cut what is too long; the insertion itself refuses it.
    name = "text" if isinstance(column.type, String) else column.type.compile(dialect)
    return f"{name}[]"


def _arrays(
    into: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> tuple[list[Any], ...]:
    """The values by column; the driver takes no array of whole numbers and floats."""
    arrays = [list(values) for values in zip(*rows, strict=True)]
    for at, name in enumerate(columns):
        if isinstance(into.c[name].type, Float):
            arrays[at] = [None if value is None else float(value) for value in arrays[at]]
    return tuple(arrays)
