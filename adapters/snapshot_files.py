"""The files under the root of the snapshots, on any fsspec URL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.durable_file import replace_file
from recommender.erasure import ErasedPeople
from recommender.errors import SnapshotDamaged, SnapshotsUnavailable
from recommender.schemas import Columns
from recommender.snapshot import SCHEMA_OF, Snapshot, SnapshotFile

LATEST = "manifests/latest.json"
_MANIFESTS = "manifests"
_ERASED = "manifests/erased-people.json"
_REWRITTEN = ".rewritten.json"
_ALIASES_MAX = 1_000
Answer = TypeVar("Answer")


class Rewritten(BaseModel):
    """Stands for a snapshot that is no more: some of its rows had to go, the rest is another."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    snapshot_id: str
    rewritten_as: str
    reason: str
    at_ms: int


class SnapshotFiles:
    """Reads and writes whole files; every failure of the file system is SnapshotsUnavailable."""

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        """`options` are those of the file system of fsspec that the URL names.

        Raises:
            ImportError: it needs a package that is not installed.
            ValueError: there is no such file system.
        """
        self.url = url
        try:
            self._fs, root = url_to_fs(url, **(options or {}))
        except ImportError as error:
            raise ImportError(
                f"{url}: a package is not installed ({error}); `make install-extra` installs it"
            ) from error
        self._root = root.rstrip("/")

    @property
    def local(self) -> bool:
        """Whether the files are on this machine."""
        return isinstance(self._fs, LocalFileSystem)

    def read_table(self, file: SnapshotFile) -> pa.Table:
        """The rows of a Parquet file.

        Raises:
            SnapshotDamaged: it is missing or not the one that was written.
        """
        content = self.get(file.path)
        if content is None:
            raise SnapshotDamaged(f"{file.path} is missing")
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise SnapshotDamaged(f"{file.path} is not the file that was written")
        return pq.read_table(pa.BufferReader(content), schema=SCHEMA_OF[file.kind])

    def read_kind(self, snapshot: Snapshot, kind: str) -> pa.Table:
        """All rows of a kind. Raises SnapshotDamaged as `read_table` does."""
        empty = SCHEMA_OF[kind].empty_table()
        return pa.concat_tables([empty, *map(self.read_table, snapshot.of_kind(kind))])

    def write_table(
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
        self.put(path, content)
        return SnapshotFile.model_validate(
            {"kind": kind, "path": path, "rows": table.num_rows, "sha256": digest}
        )

    def manifest(self, path: str) -> Snapshot | None:
        """The snapshot that a file describes, None when there is none.

        Raises:
            SnapshotDamaged: it is not readable.
        """
        content = self.get(path)
        try:
            return None if content is None else Snapshot.model_validate_json(content)
        except ValidationError as error:
            raise SnapshotDamaged(f"{path}: {error}") from error

    def find(self, name: str) -> Snapshot | None:
        """The snapshot of this id, or what it was rewritten as. Raises SnapshotDamaged."""
        for _ in range(_ALIASES_MAX):
            found = self.manifest(manifest_path(name))
            alias = self.get(_rewritten_path(name)) if found is None else None
            if alias is None:
                return found
            try:
                name = Rewritten.model_validate_json(alias).rewritten_as
            except ValidationError as error:
                raise SnapshotDamaged(f"{_rewritten_path(name)}: {error}") from error
        raise SnapshotDamaged(f"{name}: rewritten in a circle")

    def manifests(self) -> list[Snapshot]:
        """Every snapshot. Raises SnapshotDamaged when one cannot be read."""
        paths = [path for path in self.paths(_MANIFESTS)
                 if path != LATEST and not path.endswith(_REWRITTEN) and "/sha256-" in path]
        found = [self.manifest(path) for path in sorted(paths)]
        return [snapshot for snapshot in found if snapshot is not None]

    def put_manifest(self, snapshot: Snapshot, latest: bool) -> None:
        """Write it under its id, and as the newest."""
        raw = snapshot.model_dump_json(indent=1).encode()
        self.put(manifest_path(snapshot.snapshot_id), raw)
        if latest:
            self.put(LATEST, raw)

    def remove_manifest(self, snapshot: Snapshot) -> None:
        """The snapshot is no more; its files stay for those that share them."""
        self.remove(manifest_path(snapshot.snapshot_id))

    def put_rewritten(self, note: Rewritten) -> None:
        """Note what became of a snapshot, and remove its own manifest."""
        self.put(_rewritten_path(note.snapshot_id), note.model_dump_json(indent=1).encode())
        self.remove(manifest_path(note.snapshot_id))

    def paths(self, folder: str) -> list[str]:
        """Files under a folder, relative to the root."""
        def ask() -> list[str]:
            self._fs.invalidate_cache()  # object stores remember listings
            return list(self._fs.find(self._at(folder)))

        root = f"{self._root.lstrip('/')}/"
        return [path.lstrip("/").removeprefix(root) for path in self._found(ask) or []]

    def modified_ms(self, path: str) -> int:
        """When a file was written, in UTC ms."""
        at: datetime | None = self._found(lambda: self._fs.modified(self._at(path)))
        if at is None:
            return 0
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)

    def put(self, path: str, content: bytes) -> None:
        """Write a file so that it is either there in full or not at all."""
        target = self._at(path)
        if not self.local:
            # One put of an object store is atomic.
            try:
                self._asked(lambda: self._fs.pipe_file(target, content))
            except FileNotFoundError as error:
                raise SnapshotsUnavailable(f"snapshots_url: {self.url}: {error}") from error
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        replace_file(Path(target), content)

    def remove(self, path: str) -> None:
        """Remove a file; nothing happens when it is not there."""
        self._found(lambda: self._fs.rm_file(self._at(path)))

    def due(self, path: str, now_ms: int, interval_ms: int) -> bool:
        """Whether the time in this file (UTC ms) is an interval ago, or there is none."""
        content = self.get(path) or b""
        return not content.isdigit() or now_ms - int(content) >= interval_ms

    def erased(self) -> ErasedPeople | None:
        """Who was taken out of the snapshots; None when nobody was."""
        content = self.get(_ERASED)
        return None if content is None else ErasedPeople.model_validate_json(content)

    def put_erased(self, people: ErasedPeople) -> None:
        """Note who was taken out, for a store that is made anew from here."""
        self.put(_ERASED, people.model_dump_json().encode())

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        return bool(self._asked(lambda: self._fs.exists(self._at(path))))

    def get(self, path: str) -> bytes | None:
        """The content of a file, None when it is not there."""
        return self._found(lambda: bytes(self._fs.cat_file(self._at(path))))

    def _found(self, ask: Callable[[], Answer]) -> Answer | None:
        """None when a file is not there."""
        try:
            return self._asked(ask)
        except FileNotFoundError:
            return None

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except Exception as error:
            if self.local or isinstance(error, FileNotFoundError):
                raise
            # Each file system of fsspec has errors of its own.
            said = " ".join(str(error).split()) or type(error).__name__
            raise SnapshotsUnavailable(f"snapshots_url: {self.url}: {said}") from error

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"


def part_path(kind: str, at_ms: int, first: int, last: int, mark: str = "") -> str:
    """Where a part of a snapshot taken at `at_ms` (UTC) lies, by the numbers of its ends."""
    hour = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("date=%Y-%m-%d/hour=%H")
    return f"{kind}/{hour}/part-{first:012d}-{last:012d}{mark}.parquet"


def manifest_path(name: str) -> str:
    """Where the snapshot of an id is described."""
    return f"{_MANIFESTS}/{name.replace(':', '-')}.json"


def _rewritten_path(name: str) -> str:
    return f"{_MANIFESTS}/{name.replace(':', '-')}{_REWRITTEN}"
