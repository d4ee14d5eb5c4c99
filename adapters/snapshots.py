"""Parquet snapshots of the data on any fsspec URL.

`<root>/<kind>/date=YYYY-MM-DD/hour=HH/part-<first sequence>-<last sequence>.parquet`, where date
and hour are those of the snapshot (one import of old events would else make thousands of files).
Only events after the last watermark are written; a snapshot is the list of all files up to it,
`<root>/manifests/<snapshot id>.json`, and `<root>/manifests/latest.json` repeats the newest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import pandas as pd
import pyarrow as pa

from adapters.snapshot_files import LATEST, SnapshotFiles, part_path
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
    event_ends,
    newest_event,
    snapshot_id,
)
from recommender.types import Movie, Person


class Snapshots:
    """Takes and reads snapshots. One writer at a time: the callers hold a lease.

    Args:
        files: the root folder, or its URL.
        rows_per_file: events in one Parquet file at most.
    """

    def __init__(self, files: SnapshotFiles | str, rows_per_file: int = 1_000_000) -> None:
        self.files = SnapshotFiles(files) if isinstance(files, str) else files
        self._rows_per_file = rows_per_file

    def take(
        self, store: EventStore, catalogue: Catalogue, at_ms: int, begin_anew: bool = False
    ) -> Snapshot:  # fmt: skip
        """Write what is new in the store; returns the last snapshot when nothing is.

        Starts over from the first event when the last snapshot is damaged or was taken of
        another store.

        Raises:
            SnapshotDamaged: it would start over, but the store has given away its first events,
                which snapshots alone hold; `begin_anew` goes on without them.
            SnapshotsUnavailable: the file system does not answer.
        """
        last, old = self._continued(store)
        trimmed = store.trimmed().events
        if last is None and trimmed and not begin_anew:
            raise SnapshotDamaged(
                "the last snapshot is missing, damaged or of another store, and the store no "
                f"longer has its events up to number {trimmed}: put the snapshots back, or begin "
                "anew without these events (`fairreel snapshot --begin-anew`)")
        files = list(last.of_kind(EVENTS)) if last else []
        written = {file.path for file in files}
        tables = [old]
        after = last.watermark_sequence if last else 0
        for table in self._new_events(store, after):
            path = part_path(EVENTS, at_ms, *event_ends(table))
            while path in written or (last is None and self.files.exists(path)):
                path = path.removesuffix(".parquet") + "-again.parquet"
            written.add(path)
            files.append(self.files.write_table(EVENTS, path, table))
            tables.append(table)
        events = pa.concat_tables(tables)
        movies = _table((asdict(movie) for movie in catalogue.movies()), MOVIE_SCHEMA)
        people = _table((asdict(person) for person in catalogue.people()), PERSON_SCHEMA)
        name = snapshot_id(events, movies, people)
        if last is not None and last.snapshot_id == name:
            return last
        newest = newest_event(events)
        for kind, table in ((MOVIES, movies), (PEOPLE, people)):
            if table.num_rows:
                path = part_path(kind, at_ms, newest[0], newest[0], f"-{name[7:19]}")
                known = last.of_kind(kind) if last else []
                files.append(self.files.write_table(kind, path, table, known))
        snapshot = Snapshot(
            snapshot_id=name, created_at_ms=at_ms, files=tuple(files),
            watermark_sequence=newest[0], watermark_event_id=newest[1],
            watermark_timestamp_ms=newest[2], rows=events.num_rows,
        )  # fmt: skip
        self.files.put_manifest(snapshot, latest=True)
        return snapshot

    def latest(self) -> Snapshot | None:
        """The newest snapshot, None before the first.

        Raises:
            SnapshotDamaged: its manifest is not readable.
        """
        return self.files.manifest(LATEST)

    def find(self, name: str) -> Snapshot:
        """The snapshot of this id, or what it was rewritten as when rows of it had to go.

        Raises:
            NotFound: there is none.
            SnapshotDamaged: its manifest is not readable.
        """
        snapshot = self.files.find(name)
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
        frame = self.files.read_kind(snapshot, EVENTS).to_pandas()
        return frame if keep is None else keep(frame)

    def movies(self, snapshot: Snapshot) -> list[Movie]:
        """Its catalogue. Raises SnapshotDamaged as `read` does."""
        rows = self.files.read_kind(snapshot, MOVIES).to_pylist()
        return [Movie(**{**row, "genres": tuple(row["genres"])}) for row in rows]

    def people(self, snapshot: Snapshot) -> list[Person]:
        """Its people. Raises SnapshotDamaged as `read` does."""
        return [Person(**row) for row in self.files.read_kind(snapshot, PEOPLE).to_pylist()]

    def check(self, snapshot: Snapshot) -> None:
        """Raises SnapshotDamaged unless every file of it is there as it was written."""
        for file in snapshot.files:
            self.files.read_table(file)

    def _continued(self, store: EventStore) -> tuple[Snapshot | None, pa.Table]:
        """The last snapshot and its events when the store goes on from there, else nothing."""
        fresh = EVENT_SCHEMA.empty_table()
        try:
            last = self.latest()
            if last is None or not _same_store(store, last):
                return None, fresh
            return last, self.files.read_kind(last, EVENTS)
        except SnapshotDamaged:
            return None, fresh

    def _new_events(self, store: EventStore, after: int) -> Iterator[pa.Table]:
        for frame in store.event_chunks(after, self._rows_per_file):
            if len(frame):
                yield pa.Table.from_pandas(frame, EVENT_SCHEMA, preserve_index=False)


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
