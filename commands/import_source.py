"""From a source on disk into the store, each part of it once, and also after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pandas as pd

from adapters.catalogue_import import movie_files, read_movies, read_people
from adapters.line_blocks import content_hash
from adapters.movielens import open_source
from adapters.tabular_import import EventReader
from commands.progress import Progress, silent
from recommender.import_events import SHOWN_MAX, BrokenLine, EventRules, check_events
from recommender.import_layouts import ColumnMapping
from recommender.ports import Catalogue, EventStore, Imports

FRAME_ROWS = 50_000
T = TypeVar("T")


@dataclass(slots=True)
class ImportReport:
    """What an import did. `rejected` counts all lines left out, `first_rejected` shows some.

    `missing` are files that the layout would have; `already_imported` were done before.
    """

    source: str
    layout: str
    movies: int = 0
    people: int = 0
    events: int = 0
    duplicates: int = 0
    rejected: int = 0
    first_rejected: list[dict[str, object]] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    already_imported: list[str] = field(default_factory=list)
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
) -> ImportReport:
    """Import what `path` holds that was not imported before. Killed, it can be called again.

    Films and people come first, so that events find their films.

    Raises:
        UnreadableImport: unknown layout, missing columns, or a file that cannot be read on.
        StoreUnavailable: the store cannot take it now; what is in stays in.
    """
    started = time.monotonic()
    source = open_source(path, mapping, movies, people)
    report = ImportReport(source=str(path), layout=source.layout.value, missing=source.missing)
    once = _Once(imports, report, now_ms)
    if source.movies is not None:
        files = movie_files(source.movies)
        report.movies = once.add("films", files, read_movies, catalogue.add_movies, progress)
    if source.people is not None:
        files = (source.people,)
        report.people = once.add("people", files, read_people, catalogue.add_people, progress)
    if source.events is not None:
        once.apply(source.events, mapping or ColumnMapping(), store, progress)
    report.seconds = round(time.monotonic() - started, 3)
    return report


class _Once:
    """Imports a part unless its content was imported to its end before."""

    def __init__(self, imports: Imports, report: ImportReport, now_ms: int) -> None:
        self._imports = imports
        self._report = report
        self._now_ms = now_ms

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
        self, reader: EventReader, mapping: ColumnMapping, store: EventStore, progress: Progress
    ) -> None:
        """Events of a file, in its order, frame by frame."""
        source_hash = content_hash([reader.path])
        import_id = f"events:{source_hash}"
        if self._done(import_id, reader.path):
            return
        rules = EventRules(
            source_hash, self._now_ms, mapping.type, mapping.start_ms, mapping.step_ms
        )
        rows, rejected = 0, 0
        for raw in reader.blocks():
            checked = check_events(raw, rules)
            rejected += checked.broken
            self._report.reject(reader.path, checked.broken, checked.first_broken)
            for frame in _frames(checked.frame):
                applied = store.apply(frame)
                self._report.events += applied.applied
                self._report.duplicates += applied.duplicates
            rows += len(checked.frame)
            # How many lines there are is not known before the end, how many bytes is.
            progress("events", rows, max(rows, round(rows / max(raw.fraction, 1e-6))))
        if rows:
            self._imports.record(import_id, reader.path.name, rows, rejected, self._now_ms)

    def _done(self, import_id: str, file: Path) -> bool:
        done = self._imports.finished(import_id)
        if done:
            self._report.already_imported.append(file.name)
        return done


def _frames(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, len(frame), FRAME_ROWS):
        yield frame.iloc[start : start + FRAME_ROWS]
