"""A store side in memory, for tests of imports and commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from commands.import_source import ImportReport, import_source
from recommender.errors import StoreUnavailable
from recommender.import_layouts import ColumnMapping
from recommender.types import Applied
from tests.fakes import InMemoryCatalogue, InMemoryEventStore

NOW_MS = 1_795_000_000_000


class InMemoryImports:
    """Finished imports by id."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, int, int, int]] = {}

    def finished(self, import_id: str) -> bool:
        return import_id in self.rows

    def rows_by_id(self, prefix: str) -> dict[str, int]:
        return {key: row[1] for key, row in self.rows.items() if key.startswith(prefix)}

    def record(self, import_id: str, name: str, rows: int, rejected: int, at_ms: int) -> None:
        self.rows[import_id] = (name, rows, rejected, at_ms)


class FailingStore(InMemoryEventStore):
    """Takes `frames` frames, then is gone, as after a kill."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.left = frames

    def apply(self, frame: pd.DataFrame, *args: object, **kwargs: object) -> Applied:
        if self.left == 0:
            raise StoreUnavailable("gone")
        self.left -= 1
        return super().apply(frame, *args, **kwargs)  # type: ignore[arg-type]


@dataclass
class ImportWorld:
    """What imports go into."""

    store: InMemoryEventStore = field(default_factory=InMemoryEventStore)
    imports: InMemoryImports = field(default_factory=InMemoryImports)

    def __post_init__(self) -> None:
        self.catalogue = InMemoryCatalogue(self.store)

    def load(
        self, path: Path, movies: Path | None = None, people: Path | None = None,
        again: bool = False, **mapping: object,
    ) -> ImportReport:
        return import_source(
            path, ColumnMapping(**mapping), self.store, self.catalogue,  # type: ignore[arg-type]
            self.imports, NOW_MS, movies=movies, people=people, again=again,
        )  # fmt: skip

    def events(self) -> pd.DataFrame:
        return pd.concat(list(self.store.event_chunks(0, 1000)), ignore_index=True)
