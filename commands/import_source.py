"""From a source on disk into the store, each part of it once, and also after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pandas as pd

from adapters.catalogue_import import movie_files, read_movies, read_people
from adapters.line_blocks import content_hash
from adapters.movielens import open_source
from adapters.tabular_import import EventReader
from commands.progress import Progress, silent
from commands.read_ahead import read_ahead
from recommender.errors import UnreadableImport
from recommender.import_events import SHOWN_MAX, BrokenLine, EventRules, check_events
from recommender.import_layouts import ColumnMapping, import_identity, kind_told
from recommender.ports import Catalogue, EventStore, Imports

FRAME_ROWS = 50_000
T = TypeVar("T")


@dataclass(slots=True)
class ImportReport:
    """What an import did. `rejected` counts all lines left out, `first_rejected` shows some.

    `conflicts` are events whose id is in the store with other content; those in the store stay.
    `missing` are files that the layout would have; `already_imported` were done before;
    `unreadable` are parts of a folder that were left out, with the reason. `columns` are names by
    role, of the events; `kind` says what their lines are taken as.
    """

    source: str
    layout: str
    movies: int = 0
    people: int = 0
    events: int = 0
    duplicates: int = 0
    conflicts: int = 0
    rejected: int = 0
    first_rejected: list[dict[str, object]] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    already_imported: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    seconds: float = 0.0

    def reject(self, file: Path, count: int, first: Sequence[BrokenLine]) -> None:
        """Take note of lines left out."""
        self.rejected += count
        room = SHOWN_MAX - len(self.first_rejected)
        self.first_rejected += [
            {"file": file.name, "line": b.line, "reason": b.reason} for b in first[:room]
        ]

    @property
    def empty(self) -> bool:
        """Whether the source gave nothing, now or before."""
        got = self.movies or self.people or self.events or self.duplicates
        return not (got or self.already_imported)


def import_source(
    path: Path,
    mapping: ColumnMapping | None,
    store: EventStore,
    catalogue: Catalogue,
    imports: Imports,
    now_ms: int,
    progress: Progress = silent,
    *,
    movies: Path | None = None,
    people: Path | None = None,
    again: bool = False,
) -> ImportReport:
    """Import what `path` holds that was not imported before. Killed, it can be called again.

    Films and people come first, so that events find their films. Films or people of a folder that
    cannot be read are left out and told; `movies` and `people` must be readable. `again` imports
    events once more that were imported with other columns.

    Raises:
        UnreadableImport: unknown layout, missing columns, a file that cannot be read on, or
            events that were imported with other columns.
        StoreUnavailable: the store cannot take it now; what is in stays in.
    """
    started = time.monotonic()
    source = open_source(path, mapping, movies, people)
    report = ImportReport(source=str(path), layout=source.layout.value, missing=source.missing)
    once = _Once(imports, report, now_ms)
    mapping = mapping or ColumnMapping()
    identity = None
    if source.events is not None:
        report.columns = dict(source.events.columns)
        report.kind = kind_told(report.columns, mapping.type)
        identity = once.identify(source.events, mapping, again)
    if source.movies is not None:
        files = movie_files(source.movies)
        with once.leaving_out(source.movies, movies):
            report.movies = once.add("films", files, read_movies, catalogue.add_movies, progress)
    if source.people is not None:
        files = (source.people,)
        with once.leaving_out(source.people, people):
            report.people = once.add("people", files, read_people, catalogue.add_people, progress)
    if source.events is not None and identity is not None:
        once.apply(source.events, mapping, identity, store, progress)
    report.seconds = round(time.monotonic() - started, 3)
    return report


@dataclass(frozen=True, slots=True)
class _Identity:
    """Which events these are: `hash` of content and columns, and the id of their import."""

    hash: str
    import_id: str

    @property
    def begun_id(self) -> str:
        return f"{self.import_id}:begun"


class _Once:
    """Imports a part unless its content was imported to its end before."""

    def __init__(self, imports: Imports, report: ImportReport, now_ms: int) -> None:
        self._imports = imports
        self._report = report
        self._now_ms = now_ms

    @contextmanager
    def leaving_out(self, file: Path, given: Path | None) -> Iterator[None]:
        """A part that cannot be read is told and left out, unless it was asked for by name."""
        try:
            yield
        except UnreadableImport as error:
            if given is not None:
                raise
            self._report.unreadable.append(f"{file.name}: {error}")

    def identify(self, reader: EventReader, mapping: ColumnMapping, again: bool) -> _Identity:
        """Refuses content that was imported with other columns, unless `again`."""
        content = content_hash([reader.path])
        read_as = import_identity(content, reader.columns, mapping)
        of_content = f"events:{content[:32]}"
        identity = _Identity(read_as, f"{of_content}:{read_as[:32]}")
        before = self._imports.rows_by_id(of_content)
        # One that was begun with these columns and killed goes on.
        if before and not again and not {identity.import_id, identity.begun_id} & before.keys():
            count = sum(before.values())
            told = f"{count:,} events" if count else "events"
            raise UnreadableImport(
                f"{reader.path}: {told} of it were imported with other columns and stay in the "
                f"store; --again imports it once more, now with {columns_told(reader.columns)}"
            )
        return identity

    def add(
        self,
        kind: str,
        files: tuple[Path, ...],
        read: Callable[[Path], tuple[list[T], list[BrokenLine]]],
        add: Callable[[Iterable[T]], int],
        progress: Progress,
    ) -> int:
        """Films or people of a file; how many it held."""
        import_id = f"{kind}:{content_hash(files)}"
        if self._done(import_id, files[0]):
            return 0
        rows, broken = read(files[0])
        self._report.reject(files[0], len(broken), broken)
        if rows:
            add(rows)
            progress(kind, len(rows), len(rows))
            self._imports.record(import_id, files[0].name, len(rows), len(broken), self._now_ms)
        return len(rows)

    def apply(
        self, reader: EventReader, mapping: ColumnMapping, identity: _Identity, store: EventStore,
        progress: Progress,
    ) -> None:  # fmt: skip
        """Events of a file, in its order, frame by frame."""
        if self._done(identity.import_id, reader.path):
            return
        rules = EventRules(
            identity.hash, self._now_ms, mapping.type, mapping.start_ms, mapping.step_ms
        )
        rows, rejected = 0, 0
        blocks = ((raw.fraction, check_events(raw, rules)) for raw in reader.blocks())
        for fraction, checked in read_ahead(blocks):
            rejected += checked.broken
            self._report.reject(reader.path, checked.broken, checked.first_broken)
            if rows == 0 and len(checked.frame):
                # Killed from here on, some events are in.
                self._imports.record(identity.begun_id, reader.path.name, 0, 0, self._now_ms)
            for frame in _frames(checked.frame):
                applied = store.apply(frame)
                self._report.events += applied.applied
                self._report.duplicates += applied.duplicates
                self._report.conflicts += applied.conflicts
            rows += len(checked.frame)
            # How many lines there are is not known before the end, how many bytes is.
            progress("events", rows, max(rows, round(rows / max(fraction, 1e-6))))
        if rows:
            self._imports.record(
                identity.import_id, reader.path.name, rows, rejected, self._now_ms
            )

    def _done(self, import_id: str, file: Path) -> bool:
        done = self._imports.finished(import_id)
        if done:
            self._report.already_imported.append(file.name)
        return done


def columns_told(columns: Mapping[str, str]) -> str:
    """Columns by role, for people."""
    return ", ".join(f"{role} = {name}" for role, name in columns.items())


def _frames(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, len(frame), FRAME_ROWS):
        yield frame.iloc[start : start + FRAME_ROWS]
