"""Old snapshots removed, small files put together, rows taken out. Callers hold the lease.

Each change writes new files first, then the manifests that name them, and removes last what no
manifest names: a crash in between leaves files that the next run removes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import pyarrow as pa

from adapters.snapshot_files import LATEST, Rewritten, SnapshotFiles, part_path
from recommender.snapshot import (
    EVENTS,
    KINDS,
    MOVIES,
    PEOPLE,
    Keep,
    Snapshot,
    SnapshotFile,
    event_ends,
    files_to_join,
    newest_event,
    snapshot_id,
)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What was done: snapshots and files removed, files joined, new ids of rewritten snapshots."""

    snapshots_removed: int = 0
    files_removed: int = 0
    files_joined: int = 0
    rewritten: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: Upkeep) -> Upkeep:
        return Upkeep(
            self.snapshots_removed + other.snapshots_removed,
            self.files_removed + other.files_removed, self.files_joined + other.files_joined,
            self.rewritten + other.rewritten,
        )


class SnapshotUpkeep:
    """All over one root. `rows_per_file` bounds what is put together."""

    def __init__(self, files: SnapshotFiles, rows_per_file: int = 1_000_000) -> None:
        self._files = files
        self._rows_per_file = rows_per_file

    def tidy(
        self, before_ms: int | None, needed: Collection[str] | None, unnamed_before_ms: int,
        at_ms: int,
    ) -> Upkeep:  # fmt: skip
        """Remove snapshots made before `before_ms` (UTC) that are not `needed` (their ids), never
        the newest; join small files; remove files that no snapshot names, written before
        `unnamed_before_ms`: until then somebody may still be reading them.

        `needed` None keeps all snapshots, as does `before_ms` None.

        Raises:
            SnapshotDamaged: a manifest cannot be read; nothing was removed.
        """
        known = self._files.manifests()
        removed = 0
        if before_ms is not None and needed is not None:
            kept_ids = self._resolved(needed)
            for snapshot in known:
                if snapshot.created_at_ms < before_ms and snapshot.snapshot_id not in kept_ids:
                    self._files.remove_manifest(snapshot)
                    removed += 1
        joined = self._join(at_ms)
        return Upkeep(removed, self.remove_unnamed(unnamed_before_ms), joined)

    def rewrite(
        self, keep: Keep, needed: Collection[str], reason: str, at_ms: int,
        go_on: Callable[[], None] = lambda: None,
    ) -> Upkeep:  # fmt: skip
        """Take rows out of the newest snapshot and of those `needed`; the others are removed, as
        are all files that held such rows, at once. A rewritten snapshot has another id, as its
        content is another; `Snapshots.find` leads from the old one to it.

        Args:
            keep: which rows stay; called once for each file.
            needed: ids of snapshots that models were trained on.
            reason: noted beside the old id.
            at_ms: UTC milliseconds.
            go_on: called before each change of what snapshots there are; raises to stop.

        Raises:
            SnapshotDamaged: a file is missing or not the one that was written.
        """
        newest = self._files.manifest(LATEST)
        known = self._files.manifests()
        changed = self._filtered({f.path: f for s in known for f in s.files}, keep, at_ms)
        if not changed:
            return Upkeep()
        stay = self._resolved(needed) | ({newest.snapshot_id} if newest else set())
        removed, renamed = 0, []
        for snapshot in known:
            if not any(file.path in changed for file in snapshot.files):
                continue
            go_on()
            if snapshot.snapshot_id not in stay:
                self._files.remove_manifest(snapshot)
                removed += 1
                continue
            made = self._without(snapshot, changed, at_ms)
            is_newest = newest is not None and snapshot.snapshot_id == newest.snapshot_id
            self._files.put_manifest(made, latest=is_newest)
            self._files.put_rewritten(Rewritten(
                snapshot_id=snapshot.snapshot_id, rewritten_as=made.snapshot_id, reason=reason,
                at_ms=at_ms))
            renamed.append((snapshot.snapshot_id, made.snapshot_id))
        for path in changed:
            self._files.remove(path)
        return Upkeep(removed, len(changed), 0, tuple(renamed))

    def remove_unnamed(self, before_ms: int) -> int:
        """Remove files that no manifest names and that were written before; how many."""
        latest = self._files.manifest(LATEST)
        manifests = [*self._files.manifests(), *([latest] if latest else [])]
        named = {file.path for snapshot in manifests for file in snapshot.files}
        unnamed = [path for kind in KINDS for path in self._files.paths(kind) if path not in named]
        old = [path for path in unnamed if self._files.modified_ms(path) < before_ms]
        for path in old:
            self._files.remove(path)
        return len(old)

    def _resolved(self, ids: Iterable[str]) -> set[str]:
        found = (self._files.find(name) for name in ids)
        kept = {snapshot.snapshot_id for snapshot in found if snapshot is not None}
        newest = self._files.manifest(LATEST)
        return kept | ({newest.snapshot_id} if newest else set())

    def _join(self, at_ms: int) -> int:
        """Put small files of events together where no snapshot ends between them."""
        newest = self._files.manifest(LATEST)
        if newest is None:
            return 0
        known = self._files.manifests()
        joined = 0
        for group in files_to_join(newest, known, self._rows_per_file):
            table = pa.concat_tables([self._files.read_table(file) for file in group])
            path = part_path(EVENTS, at_ms, *event_ends(table), "-joined")
            made = self._files.write_table(EVENTS, path, table)
            known = [self._with_joined(snapshot, group, made, newest) for snapshot in known]
            newest = next(s for s in known if s.snapshot_id == newest.snapshot_id)
            joined += len(group)
        return joined

    def _with_joined(
        self, snapshot: Snapshot, group: list[SnapshotFile], made: SnapshotFile, newest: Snapshot
    ) -> Snapshot:
        if group[0] not in snapshot.files:
            return snapshot
        at = snapshot.files.index(group[0])
        files = (*snapshot.files[:at], made, *snapshot.files[at + len(group) :])
        changed = snapshot.model_copy(update={"files": files})
        self._files.put_manifest(changed, latest=snapshot.snapshot_id == newest.snapshot_id)
        return changed

    def _filtered(
        self, files: dict[str, SnapshotFile], keep: Keep, at_ms: int
    ) -> dict[str, SnapshotFile | None]:
        """For each file with rows to go what stands in its place, None for nothing."""
        changed: dict[str, SnapshotFile | None] = {}
        for path, file in files.items():
            table = self._files.read_table(file)
            kept = keep(file.kind, table)
            if kept.num_rows == table.num_rows:
                continue
            changed[path] = None
            if kept.num_rows:
                ends = event_ends(kept) if file.kind == EVENTS else (0, 0)
                mark = f"-{file.sha256[:12]}-kept"
                changed[path] = self._files.write_table(
                    file.kind, part_path(file.kind, at_ms, *ends, mark), kept)
        return changed

    def _without(
        self, snapshot: Snapshot, changed: dict[str, SnapshotFile | None], at_ms: int
    ) -> Snapshot:
        places = (changed.get(file.path, file) for file in snapshot.files)
        draft = snapshot.model_copy(update={"files": tuple(f for f in places if f is not None)})
        events, movies, people = (
            self._files.read_kind(draft, kind) for kind in (EVENTS, MOVIES, PEOPLE))
        newest = newest_event(events)
        return draft.model_copy(update={
            "snapshot_id": snapshot_id(events, movies, people), "created_at_ms": at_ms,
            "watermark_sequence": newest[0], "watermark_event_id": newest[1],
            "watermark_timestamp_ms": newest[2], "rows": events.num_rows,
        })  # fmt: skip
