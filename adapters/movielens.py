"""Import sources: the folders that MovieLens comes in, or one table of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.tabular_import import DelimitedEvents, EventReader, open_table
from recommender.errors import UnreadableImport
from recommender.import_layouts import (
    LAYOUT_FILES,
    ColumnMapping,
    EventColumns,
    Layout,
    detect_layout,
    table_suffix,
)

_COLUMNS = ("user", "item", "rating", "timestamp")
_MOVIELENS_EVENTS = EventColumns(
    "user", "item", "rating", "timestamp", position=None, minute=None, type=None
)


@dataclass(frozen=True, slots=True)
class ImportSource:
    """The parts of a source that are there. `missing` names files that its layout would have."""

    path: Path
    layout: Layout
    events: EventReader | None
    movies: Path | None
    people: Path | None
    missing: tuple[str, ...] = ()


def open_source(
    path: Path,
    mapping: ColumnMapping | None = None,
    movies: Path | None = None,
    people: Path | None = None,
) -> ImportSource:
    """What `path`, a folder or a table of events, holds; `movies` and `people` may lie elsewhere.

    Raises:
        UnreadableImport: nothing there, an unknown layout, or columns that cannot be found.
    """
    mapping = mapping or ColumnMapping()
    for given in (path, movies, people):
        if given is not None and not given.exists():
            raise UnreadableImport(f"{given}: no such file or folder")
    if path.is_dir():
        return _open_folder(path, mapping, movies, people)
    return ImportSource(path, Layout.TABLE, open_table(path, mapping), movies, people)


def _open_folder(
    folder: Path, mapping: ColumnMapping, movies: Path | None, people: Path | None
) -> ImportSource:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    layout = detect_layout(names)
    if layout is None:
        return ImportSource(
            folder, Layout.TABLE, open_table(_only_table(folder, names), mapping), movies, people
        )
    files = LAYOUT_FILES[layout]
    wanted = [files.events, files.movies, *([files.people] if files.people else [])]
    given = {files.movies: movies, files.people: people}
    return ImportSource(
        path=folder,
        layout=layout,
        events=_events(folder / files.events, layout, mapping) if files.events in names else None,
        movies=movies or (folder / files.movies if files.movies in names else None),
        people=people or (folder / files.people if files.people in names else None)
        if files.people
        else people,
        missing=tuple(n for n in wanted if n not in names and given.get(n) is None),
    )


def _events(path: Path, layout: Layout, mapping: ColumnMapping) -> EventReader:
    if layout is Layout.ML_LATEST:
        return open_table(path, mapping)
    delimiter = "\t" if layout is Layout.ML_100K else "::"
    return DelimitedEvents(
        path, list(_COLUMNS), _MOVIELENS_EVENTS, delimiter, header=False, quoted=False
    )


def _only_table(folder: Path, names: Sequence[str]) -> Path:
    tables = [name for name in names if table_suffix(name)]
    if len(tables) == 1:
        return folder / tables[0]
    known = "; ".join(f"{v}: {f.events}, {f.movies}" for v, f in LAYOUT_FILES.items())
    raise UnreadableImport(
        f"{folder}: {len(tables)} tables and no known layout ({known}); name one file"
    )
