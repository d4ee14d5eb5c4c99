"""Events from one table: CSV or TSV, JSON lines (each also gzipped), or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from adapters.line_blocks import LineBlock, line_blocks
from recommender.errors import UnreadableImport
from recommender.import_events import BrokenLine, RawEvents
from recommender.import_layouts import (
    ColumnMapping,
    EventColumns,
    event_columns,
    table_suffix,
    usually_means,
    with_optional,
)

_PARQUET_ROWS = 50_000
_JSON_BLOCK_BYTES = 6 << 20
_ID_ROLES = frozenset({"user", "item", "event_id"})


class EventReader(Protocol):
    """Reads the events of one file from its beginning to its end."""

    path: Path

    @property
    def columns(self) -> Mapping[str, str]:
        """Role -> name of the column that is read for it."""

    def blocks(self) -> Iterator[RawEvents]:
        """In file order.

        Raises:
            UnreadableImport: the file cannot be read on; names it.
        """


def open_table(path: Path, mapping: ColumnMapping) -> EventReader:
    """A reader for the format that the name of the file tells.

    Raises:
        UnreadableImport: unknown format, unreadable or empty file, or columns not found.
    """
    match table_suffix(path.name):
        case ".parquet":
            return ParquetEvents(path, mapping)
        case ".jsonl" | ".ndjson":
            return JsonLineEvents(path, mapping)
        case ".csv" | ".tsv":
            return DelimitedEvents.with_header(path, mapping)
    raise UnreadableImport(f"{path}: not a .csv, .tsv, .jsonl, .ndjson (or .gz of it) or .parquet")


class DelimitedEvents:
    """Lines of values with a delimiter between them. A line end always ends the line."""

    def __init__(
        self, path: Path, names: list[str], columns: EventColumns, delimiter: str, *,
        header: bool, quoted: bool,
    ) -> None:  # fmt: skip
        self.path = path
        self._names = names
        self._roles = columns.present()
        self._delimiter = delimiter
        self._header = header
        self._quoted = quoted

    @classmethod
    def with_header(cls, path: Path, mapping: ColumnMapping) -> DelimitedEvents:
        """Columns by the names in the first line."""
        names, delimiter = read_header(path, mapping.delimiter)
        columns = event_columns(mapping, names, path.name)
        return cls(path, names, columns, delimiter, header=True, quoted=True)

    @property
    def columns(self) -> Mapping[str, str]:
        """Role -> name of the column."""
        return self._roles

    def blocks(self) -> Iterator[RawEvents]:
        """In file order."""
        for block in line_blocks(self.path):
            if self._header and block.first_line == 1:
                _, _, data = block.data.partition(b"\n")
                block = LineBlock(2, data, block.fraction)
                if not data:
                    continue
            raw = self._at_once(block)
            yield self._line_by_line(block) if raw is None else raw

    def _at_once(self, block: LineBlock) -> RawEvents | None:
        """None when a line of the block needs a closer look: the reader has to see each."""
        # Arrow takes one character between values; this one occurs in no text.
        joined = "\x1f" if len(self._delimiter) > 1 else self._delimiter
        data = block.data
        if joined != self._delimiter:
            data = data.replace(self._delimiter.encode(), joined.encode())
        broken: list[BrokenLine] = []

        def skip(row: pa.csv.InvalidRow) -> str:
            broken.append(self._wrong_count(block.first_line + row.number - 1, row.actual_columns))
            return "skip"

        wanted = list(self._roles.values())
        try:
            data.decode("utf-8")
            table = pa.csv.read_csv(
                pa.BufferReader(data),
                read_options=pa.csv.ReadOptions(column_names=self._names, use_threads=False),
                parse_options=pa.csv.ParseOptions(
                    delimiter=joined,
                    quote_char='"' if self._quoted else False,
                    ignore_empty_lines=False,
                    invalid_row_handler=skip,
                ),
                convert_options=pa.csv.ConvertOptions(
                    include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string())
                ),
            )
        except (UnicodeDecodeError, pa.ArrowInvalid):
            return None
        count = block.count()
        columns = {
            role: table.column(name).combine_chunks() for role, name in self._roles.items()
        }
        # A stray quote swallows line ends: then the numbers of the lines would be wrong.
        if table.num_rows + len(broken) != count or pa.compute.any(
            pa.compute.equal(columns["user"], "")
        ).as_py():
            return None
        numbers = np.arange(block.first_line, block.first_line + count)
        if broken:
            numbers = np.delete(numbers, [b.line - block.first_line for b in broken])
        return RawEvents(numbers, columns, tuple(broken), block.fraction)

    def _line_by_line(self, block: LineBlock) -> RawEvents:
        places = {role: self._names.index(name) for role, name in self._roles.items()}
        broken: list[BrokenLine] = []
        rows: list[list[str]] = []
        numbers: list[int] = []
        for number, line in enumerate(block.lines(), block.first_line):
            if not line.strip():
                continue
            try:
                values = self._split(line.decode("utf-8"))
            except UnicodeDecodeError:
                broken.append(BrokenLine(number, "not UTF-8"))
                continue
            except csv.Error as error:
                broken.append(BrokenLine(number, str(error)))
                continue
            if len(values) != len(self._names):
                broken.append(self._wrong_count(number, len(values)))
                continue
            rows.append(values)
            numbers.append(number)
        columns = {r: pa.array([row[at] for row in rows], pa.string()) for r, at in places.items()}
        return RawEvents(np.array(numbers, np.int64), columns, tuple(broken), block.fraction)

    def _split(self, line: str) -> list[str]:
        if not self._quoted:
            return line.split(self._delimiter)
        return next(csv.reader([line], delimiter=self._delimiter, strict=True))

    def _wrong_count(self, line: int, found: int) -> BrokenLine:
        return BrokenLine(line, f"{found} values, not {len(self._names)}")


class JsonLineEvents:
    """An object a line."""

    def __init__(self, path: Path, mapping: ColumnMapping) -> None:
        self.path = path
        keys: dict[str, None] = {}
        for block in line_blocks(path):
            for line in block.lines():
                keys.update(dict.fromkeys(_json_object(line) or ()))
            if keys:
                break
        if not keys:
            raise UnreadableImport(f"{path}: holds no JSON object")
        columns = event_columns(mapping, with_optional(list(keys)), path.name)
        self._roles = columns.present()
        self._rating_unseen = columns.rating is None and mapping.type is None

    @property
    def columns(self) -> Mapping[str, str]:
        """Role -> name of the column."""
        return self._roles

    def blocks(self) -> Iterator[RawEvents]:
        """In file order."""
        for block in line_blocks(self.path, _JSON_BLOCK_BYTES):
            broken: list[BrokenLine] = []
            records: list[dict[str, object]] = []
            numbers: list[int] = []
            for number, line in enumerate(block.lines(), block.first_line):
                if not line.strip():
                    continue
                record = _json_object(line)
                if record is None:
                    broken.append(BrokenLine(number, "not a JSON object"))
                    continue
                if self._rating_unseen and any(usually_means("rating", key) for key in record):
                    raise UnreadableImport(
                        f"{self.path}: line {number}: ratings begin here; name them with --rating"
                    )
                records.append(record)
                numbers.append(number)
            columns = {
                role: pa.array([_text(r.get(name), role) for r in records], pa.string())
                for role, name in self._roles.items()
            }
            yield RawEvents(np.array(numbers, np.int64), columns, tuple(broken), block.fraction)


class ParquetEvents:
    """Rows of a Parquet file; the number of a row, from 1, is its line."""

    def __init__(self, path: Path, mapping: ColumnMapping) -> None:
        self.path = path
        try:
            names = pq.read_schema(path).names
        except (OSError, pa.ArrowInvalid) as error:
            raise UnreadableImport(f"{path}: not a readable Parquet file: {error}") from error
        self._roles = event_columns(mapping, names, path.name).present()

    @property
    def columns(self) -> Mapping[str, str]:
        """Role -> name of the column."""
        return self._roles

    def blocks(self) -> Iterator[RawEvents]:
        """In file order."""
        first = 1
        try:
            with pq.ParquetFile(self.path) as file:
                total = max(file.metadata.num_rows, 1)
                wanted = list(self._roles.values())
                for batch in file.iter_batches(batch_size=_PARQUET_ROWS, columns=wanted):
                    numbers = np.arange(first, first + batch.num_rows)
                    first += batch.num_rows
                    columns = {r: batch.column(name) for r, name in self._roles.items()}
                    yield RawEvents(numbers, columns, fraction=(first - 1) / total)
        except (OSError, pa.ArrowInvalid) as error:
            raise UnreadableImport(f"{self.path}: row {first}: {error}") from error


def read_header(path: Path, delimiter: str | None = None) -> tuple[list[str], str]:
    """Names in the first line of a CSV file, and what stands between them.

    Raises:
        UnreadableImport: the file is empty or its first line is no text.
    """
    first = next(iter(line_blocks(path)), None)
    if first is None:
        raise UnreadableImport(f"{path}: empty")
    try:
        line = first.lines()[0].decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableImport(f"{path}: its first line is not UTF-8") from error
    found = delimiter or max(",\t;|", key=line.count)
    try:
        names = next(csv.reader([line], delimiter=found), [])
    except (csv.Error, TypeError) as error:
        raise UnreadableImport(f"{path}: its first line: {error}") from error
    return [name.strip() for name in names], found


def _json_object(line: bytes) -> dict[str, object] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _text(value: object, role: str) -> str | None:
    """A JSON value as the text that a CSV file would hold; what may not stand there gets a mark
    that no rule lets pass."""
    if value is None or isinstance(value, str):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and not (isinstance(value, float) and role in _ID_ROLES):
        return repr(value)
    return f"!{value!r}"
