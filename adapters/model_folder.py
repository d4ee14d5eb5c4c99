"""The folder of the model files: what lies there, and what was left behind there."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from adapters.durable_file import sync_folder

FILE_NAME = re.compile(r"model_v(\d{8}T\d{6}Z)\.(pkl|json|sig)")
TEMPORARY_NAME = re.compile(r"\.model_v\d{8}T\d{6}Z\..*\.tmp")  # as `durable_file` names them


def file_names(folder: Path) -> list[str]:
    """Sorted; none when there is no folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def changed_ms(file: Path) -> int | None:
    """When a file was last changed, UTC milliseconds; None for one that is gone."""
    try:
        return file.lstat().st_mtime_ns // 1_000_000
    except FileNotFoundError:
        return None


def remove_orphans(folder: Path, registered: Collection[str], before_ms: int) -> list[str]:
    """Remove model files of no registered model, and unfinished ones, last changed before.

    They are left by a process that ended between writing and registering. The caller holds the
    lease of the trainings. Files of other names stay: `ModelFiles.audit_folder` tells of them.

    Args:
        registered: version ids.
        before_ms: UTC milliseconds.

    Returns:
        Their names.
    """
    removed = []
    for name in file_names(folder):
        match = FILE_NAME.fullmatch(name)
        orphan = match[1] not in registered if match else bool(TEMPORARY_NAME.fullmatch(name))
        at_ms = changed_ms(folder / name) if orphan else None
        if at_ms is not None and at_ms < before_ms and not (folder / name).is_dir():
            (folder / name).unlink(missing_ok=True)
            removed.append(name)
    if removed:
        sync_folder(folder)
    return removed
