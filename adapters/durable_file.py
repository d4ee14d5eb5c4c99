"""Files that are there in full or not at all, and survive a power cut once written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace_file(path: Path, content: bytes | memoryview, mode: int = 0o644) -> None:
    """Write under a temporary name, fsync, rename, fsync the folder.

    Raises:
        OSError: the disk is full or the folder is not writable; the old file is untouched.
    """
    temporary = write_beside(path, content, mode)
    try:
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def make_once(path: Path, content: bytes, mode: int) -> None:
    """Write a file that nobody has made yet; one that another process makes meanwhile stays.

    A missing folder is made with mode 0700.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = write_beside(path, content, mode)
    try:
        os.link(temporary, path)  # unlike rename this never replaces another's file
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    sync_folder(path.parent)


def write_beside(path: Path, content: bytes | memoryview, mode: int = 0o644) -> Path:
    """Write and fsync a new file with a temporary name in the folder of `path`."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def sync_folder(folder: Path) -> None:
    """Make what was renamed or removed in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
