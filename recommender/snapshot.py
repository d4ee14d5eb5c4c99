"""What a snapshot of the data is, and the hash that names it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from recommender.manifest import SNAPSHOT_ID_PATTERN
from recommender.schemas import Columns
from recommender.types import EventType

EVENTS, MOVIES, PEOPLE = "events", "movies", "people"
Keep = Callable[[str, pa.Table], pa.Table]
"""(kind, rows of a file) -> the rows to keep."""
KINDS = (EVENTS, MOVIES, PEOPLE)
_Count = Annotated[int, Field(ge=0)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

EVENT_SCHEMA = pa.schema([
    (Columns.SEQUENCE, pa.int64()), (Columns.EVENT_ID, pa.large_string()),
    (Columns.SCHEMA_VERSION, pa.int16()), (Columns.TYPE, pa.large_string()),
    (Columns.USER, pa.large_string()), (Columns.ITEM, pa.large_string()),
    (Columns.RATING, pa.float64()), (Columns.MINUTE, pa.int32()),
    (Columns.QUERY, pa.large_string()), (Columns.TIMESTAMP, pa.int64()),
    (Columns.RECEIVED, pa.int64()), (Columns.SOURCE, pa.large_string()),
])  # fmt: skip
MOVIE_SCHEMA = pa.schema([
    ("item_id", pa.large_string()), ("title", pa.large_string()), ("year", pa.int32()),
    ("genres", pa.list_(pa.string())), ("added_at_ms", pa.int64()),
    ("placeholder", pa.bool_()),
])  # fmt: skip
PERSON_SCHEMA = pa.schema([
    ("user_id", pa.large_string()), ("gender", pa.large_string()), ("age", pa.int32()),
    ("occupation", pa.large_string()),
])  # fmt: skip
SCHEMA_OF = {EVENTS: EVENT_SCHEMA, MOVIES: MOVIE_SCHEMA, PEOPLE: PERSON_SCHEMA}
# When a placeholder was added depends on the order of events; what was learned about it does not.
MOVIE_CONTENT = ("item_id", "title", "year", "genres", "placeholder")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class SnapshotFile(_Strict):
    """One Parquet file; `path` is relative to the root of the snapshots."""

    kind: Literal["events", "movies", "people"]
    path: str
    rows: _Count
    sha256: _Sha256


class Snapshot(_Strict):
    """All events up to a watermark, and the catalogue and people at that time.

    `watermark_event_id` is the event of `watermark_sequence`: it tells whether a store is the
    one that the snapshot was taken of. `rows` counts events.
    """

    schema_version: Literal[1] = 1
    snapshot_id: Annotated[str, Field(pattern=SNAPSHOT_ID_PATTERN)]
    created_at_ms: _Count
    files: tuple[SnapshotFile, ...]
    watermark_sequence: _Count
    watermark_timestamp_ms: int
    watermark_event_id: str
    rows: _Count

    def of_kind(self, kind: str) -> list[SnapshotFile]:
        """Its files of one kind."""
        return [file for file in self.files if file.kind == kind]


def snapshot_id(events: pa.Table, movies: pa.Table, people: pa.Table) -> str:
    """`sha256:` and the SHA-256 of the content, as strong as SHA-256 itself.

    Covers every column of every event except the sequence number, the films and the people.
    Rows are ordered by their id first, so chunks and order don't matter.
    """
    digest = hashlib.sha256()
    for kind, table, columns in (
        (EVENTS, events, Columns.EVENT),
        (MOVIES, movies, MOVIE_CONTENT),
        (PEOPLE, people, tuple(PERSON_SCHEMA.names)),
    ):
        digest.update(f"{kind}:{table_sha256(table, columns)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def without_browse_events(until: int) -> Keep:
    """(kind, rows of a file) -> the rows but for views and searches up to a sequence number."""
    gone = pa.array([EventType.VIEW.value, EventType.SEARCH.value], pa.large_string())

    def keep(kind: str, rows: pa.Table) -> pa.Table:
        if kind != EVENTS:
            return rows
        old = pc.less_equal(rows[Columns.SEQUENCE], until)
        return rows.filter(pc.invert(pc.and_(old, pc.is_in(rows[Columns.TYPE], gone))))

    return keep


def files_to_join(
    newest: Snapshot, snapshots: Sequence[Snapshot], rows_max: int
) -> list[list[SnapshotFile]]:
    """Runs of two or more files of events of the newest snapshot that can be one file each.

    A run holds at most `rows_max` rows, of files with less than half as many each, and every
    snapshot that has one of its files has all of them, in a row.
    """
    wholes = [[file.path for file in snapshot.of_kind(EVENTS)] for snapshot in snapshots]
    ends = {paths[-1] for paths in wholes if paths}
    runs: list[list[SnapshotFile]] = [[]]
    for file in newest.of_kind(EVENTS):
        small = file.rows < rows_max / 2
        if not small or sum(f.rows for f in runs[-1]) + file.rows > rows_max:
            runs.append([])
        if small:
            runs[-1].append(file)
        if not small or file.path in ends:
            runs.append([])
    return [run for run in runs if len(run) > 1 and _whole_in_all(run, wholes)]


def _whole_in_all(run: Sequence[SnapshotFile], wholes: Sequence[Sequence[str]]) -> bool:
    paths = [file.path for file in run]
    for whole in wholes:
        if not any(path in whole for path in paths):
            continue
        if paths[0] not in whole:
            return False
        at = whole.index(paths[0])
        if list(whole[at : at + len(paths)]) != paths:
            return False
    return True


def event_ends(events: pa.Table) -> tuple[int, int]:
    """Sequence numbers of the first and the last event of a table in their order."""
    sequences = events[Columns.SEQUENCE]
    return sequences[0].as_py(), sequences[-1].as_py()


def newest_event(events: pa.Table) -> tuple[int, str, int]:
    """Sequence and id of the last event, and the latest timestamp of all; zeros without one."""
    if not events.num_rows:
        return 0, "", 0
    latest = int(events[Columns.TIMESTAMP].to_numpy().max())
    return events[Columns.SEQUENCE][-1].as_py(), events[Columns.EVENT_ID][-1].as_py(), latest


def table_sha256(table: pa.Table, columns: Sequence[str]) -> str:
    """SHA-256 over rows ordered by the first of `columns` (an id without repeats).

    Hashed are, for each column: name, number of rows, which values are null, and the values
    (little-endian numbers; lengths, then bytes, of texts). Lists of texts are joined by U+001F.
    """
    order = pc.sort_indices(table[columns[0]])
    digest = hashlib.sha256()
    for name in columns:
        column = table[name].take(order).combine_chunks()
        if pa.types.is_list(column.type):
            column = pc.binary_join(column, "\x1f")
        digest.update(f"{name}:{len(column)}\n".encode())
        digest.update(column.is_null().to_numpy(zero_copy_only=False).tobytes())
        if pa.types.is_large_string(column.type) or pa.types.is_string(column.type):
            lengths, content = _texts(pc.fill_null(column, "").cast(pa.large_string()))
            digest.update(lengths.astype("<i8").tobytes())
            digest.update(content)
        else:
            filled = pc.fill_null(column, False if pa.types.is_boolean(column.type) else 0)
            values = filled.to_numpy(zero_copy_only=False)
            digest.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _texts(column: pa.Array) -> tuple[npt.NDArray[np.int64], memoryview]:
    """Length of each text, and all their bytes in a row."""
    if not len(column):
        return np.empty(0, np.int64), memoryview(b"")
    _, offsets, content = column.buffers()
    ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    return np.diff(ends), memoryview(content or b"")[ends[0] : ends[-1]]
