"""Parquet snapshots of the data on any fsspec URL.

`<root>/<kind>/date=YYYY-MM-DD/hour=HH/part-<first sequence>-<last sequence>.parquet`, where date
and hour are those of the snapshot (one import of old events would else make thousands of files).
Only events after the last watermark are written; a snapshot is the list of all files up to it,
`<root>/manifests/<snapshot id>.json`, and `<root>/manifests/latest.json` repeats the newest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from pydantic import ValidationError

from adapters.durable_file import replace_file
from recommender.errors import NotFound, SnapshotDamaged
from recommender.ports import Catalogue, EventStore
from recommender.schemas import Columns
from recommender.snapshot import (
    EVENT_SCHEMA,
    EVENTS,
    MOVIE_SCHEMA,
    MOVIES,
    PEOPLE,
    PERSON_SCHEMA,
    Snapshot,
    SnapshotFile,
    snapshot_id,
)
from recommender.types import Movie, Person

_LATEST = "manifests/latest.json"


class Snapshots:
    """Takes and reads snapshots. One writer at a time: the callers hold a lease.

    Args:
        url: fsspec URL or path of the root folder.
        rows_per_file: events in one Parquet file at most.
    """

    def __init__(self, url: str, rows_per_file: int = 1_000_000) -> None:
        self._fs, self._root = url_to_fs(url)
        self._rows_per_file = rows_per_file

    def take(self, store: EventStore, catalogue: Catalogue, at_ms: int) -> Snapshot:
        """Write what is new in the store; returns the last snapshot when nothing is.

        Starts over from the first event when the last snapshot is damaged or was taken of
        another store.
        """
        last, old = self._continued(store)
        files = list(last.of_kind(EVENTS)) if last else []
        written = {file.path for file in files}
        tables = [old]
        after = last.watermark_sequence if last else 0
        for table in self._new_events(store, after):
            path = _part(EVENTS, at_ms, *_ends(table))
            while path in written or (last is None and self._exists(path)):
                path = path.removesuffix(".parquet") + "-again.parquet"
            written.add(path)
            files.append(self._write(EVENTS, path, table))
            tables.append(table)
        events = pa.concat_tables(tables)
        movies = _table((asdict(movie) for movie in catalogue.movies()), MOVIE_SCHEMA)
        people = _table((asdict(person) for person in catalogue.people()), PERSON_SCHEMA)
        name = snapshot_id(events, movies, people)
        if last is not None and last.snapshot_id == name:
            return last
        newest = _newest(events)
        for kind, table in ((MOVIES, movies), (PEOPLE, people)):
            if table.num_rows:
                path = _part(kind, at_ms, newest[0], newest[0], f"-{name[7:19]}")
                files.append(self._write(kind, path, table, last.of_kind(kind) if last else []))
        snapshot = Snapshot(
            snapshot_id=name, created_at_ms=at_ms, files=tuple(files),
            watermark_sequence=newest[0], watermark_event_id=newest[1],
            watermark_timestamp_ms=newest[2], rows=events.num_rows,
        )  # fmt: skip
        raw = snapshot.model_dump_json(indent=1).encode()
        self._put(_manifest_path(name), raw)
        self._put(_LATEST, raw)
        return snapshot

    def latest(self) -> Snapshot | None:
        """The newest snapshot, None before the first.

        Raises:
            SnapshotDamaged: its manifest is not readable.
        """
        return self._manifest(_LATEST)

    def find(self, name: str) -> Snapshot:
        """The snapshot of this id.

        Raises:
            NotFound: there is none.
            SnapshotDamaged: its manifest is not readable.
        """
        snapshot = self._manifest(_manifest_path(name))
        if snapshot is None:
            raise NotFound(f"no snapshot {name}")
        return snapshot

    def read(
        self, snapshot: Snapshot, keep: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Its events: `sequence` and the columns of `Columns.EVENT`, in order of sequence.

        Args:
            snapshot: what to read.
            keep: gets all events and returns those to use, as the view without quarantined ones.

        Raises:
            SnapshotDamaged: a file is missing or not the one that was written.
        """
        frame = self._read(snapshot, EVENTS, EVENT_SCHEMA).to_pandas()
        return frame if keep is None else keep(frame)

    def movies(self, snapshot: Snapshot) -> list[Movie]:
        """Its catalogue. Raises SnapshotDamaged as `read` does."""
        rows = self._read(snapshot, MOVIES, MOVIE_SCHEMA).to_pylist()
        return [Movie(**{**row, "genres": tuple(row["genres"])}) for row in rows]

    def people(self, snapshot: Snapshot) -> list[Person]:
        """Its people. Raises SnapshotDamaged as `read` does."""
        return [Person(**row) for row in self._read(snapshot, PEOPLE, PERSON_SCHEMA).to_pylist()]

    def _continued(self, store: EventStore) -> tuple[Snapshot | None, pa.Table]:
        """The last snapshot and its events when the store goes on from there, else nothing."""
        fresh = EVENT_SCHEMA.empty_table()
        try:
            last = self.latest()
            if last is None or not _same_store(store, last):
                return None, fresh
            return last, self._read(last, EVENTS, EVENT_SCHEMA)
        except SnapshotDamaged:
            return None, fresh

    def _new_events(self, store: EventStore, after: int) -> Iterator[pa.Table]:
        for frame in store.event_chunks(after, self._rows_per_file):
            if len(frame):
                yield pa.Table.from_pandas(frame, EVENT_SCHEMA, preserve_index=False)

    def _read(self, snapshot: Snapshot, kind: str, schema: pa.Schema) -> pa.Table:
        tables = [schema.empty_table()]
        for file in snapshot.of_kind(kind):
            try:
                content = self._fs.cat_file(self._at(file.path))
            except FileNotFoundError as error:
                raise SnapshotDamaged(f"{file.path} is missing") from error
            if hashlib.sha256(content).hexdigest() != file.sha256:
                raise SnapshotDamaged(f"{file.path} is not the file that was written")
            tables.append(pq.read_table(pa.BufferReader(content), schema=schema))
        return pa.concat_tables(tables)

    def _write(
        self, kind: str, path: str, table: pa.Table, known: Iterable[SnapshotFile] = ()
    ) -> SnapshotFile:
        """Write a file, unless one of the same bytes is known."""
        buffer = BytesIO()
        ids = {Columns.EVENT_ID, Columns.QUERY, "title"}
        repeated = [name for name in table.column_names if name not in ids]
        pq.write_table(table, buffer, compression="zstd", use_dictionary=repeated)
        content = buffer.getvalue()
        digest = hashlib.sha256(content).hexdigest()
        for file in known:
            if file.sha256 == digest:
                return file
        self._put(path, content)
        return SnapshotFile.model_validate(
            {"kind": kind, "path": path, "rows": table.num_rows, "sha256": digest}
        )

    def _put(self, path: str, content: bytes) -> None:
        """Write a file so that it is either there in full or not at all."""
        target = self._at(path)
        if not isinstance(self._fs, LocalFileSystem):
            self._fs.pipe_file(target, content)  # one put of an object store is atomic
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        replace_file(Path(target), content)

    def _manifest(self, path: str) -> Snapshot | None:
        try:
            return Snapshot.model_validate_json(self._fs.cat_file(self._at(path)))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise SnapshotDamaged(f"{path}: {error}") from error

    def _exists(self, path: str) -> bool:
        return bool(self._fs.exists(self._at(path)))

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"


def _same_store(store: EventStore, last: Snapshot) -> bool:
    if last.watermark_sequence == 0:
        return True
    chunks = iter(store.event_chunks(last.watermark_sequence - 1, 1))
    first = next(chunks, None)
    if first is None or first.empty:
        return False
    found = (int(first[Columns.SEQUENCE].iloc[0]), first[Columns.EVENT_ID].iloc[0])
    return found == (last.watermark_sequence, last.watermark_event_id)


def _table(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema)


def _ends(table: pa.Table) -> tuple[int, int]:
    sequences = table[Columns.SEQUENCE]
    return sequences[0].as_py(), sequences[-1].as_py()


def _newest(events: pa.Table) -> tuple[int, str, int]:
    """Sequence and id of the last event, and the latest timestamp of all."""
    if not events.num_rows:
        return 0, "", 0
    latest = int(events[Columns.TIMESTAMP].to_numpy().max())
    return events[Columns.SEQUENCE][-1].as_py(), events[Columns.EVENT_ID][-1].as_py(), latest


def _part(kind: str, at_ms: int, first: int, last: int, mark: str = "") -> str:
    hour = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("date=%Y-%m-%d/hour=%H")
    return f"{kind}/{hour}/part-{first:012d}-{last:012d}{mark}.parquet"


def _manifest_path(name: str) -> str:
    return f"manifests/{name.replace(':', '-')}.json"
