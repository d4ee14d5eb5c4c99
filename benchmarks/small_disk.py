"""A folder that can be filled up, as a disk can."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_BLOCK = 1 << 20


class SmallDisk:
    """A tmpfs of its own where this process may mount one (root); else processes are kept from
    letting any file grow (RLIMIT_FSIZE), which fails their writes too, though with EFBIG."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
        done = subprocess.run(mount, capture_output=True, check=False)
        self.mounted = done.returncode == 0

    @property
    def kind(self) -> str:
        """How it is made full, in words."""
        return "tmpfs" if self.mounted else "RLIMIT_FSIZE"

    @contextmanager
    def full(self, processes: Sequence[int]) -> Iterator[None]:
        """As long as it lasts these processes find no room in it."""
        if not self.mounted:
            with _limited(processes):
                yield
            return
        filler = self.folder / "filler"
        try:
            _fill(filler)
            yield
        finally:
            filler.unlink()

    def close(self) -> None:
        """Unmount it; what lay in it is gone."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        for size in (_BLOCK, 4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


@contextmanager
def _limited(processes: Sequence[int]) -> Iterator[None]:
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in processes}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (os.sysconf("SC_PAGE_SIZE"), hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
