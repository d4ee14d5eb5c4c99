"""Programs that tests run besides Python, wherever their packages put them."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

# Debian keeps the programs of a PostgreSQL server out of PATH.
_FURTHER_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/sbin", "/usr/local/sbin")


@cache
def find_program(name: str) -> Path | None:
    """Where it is, None when it is not installed; of several versions the newest."""
    if (found := shutil.which(name)) is not None:
        return Path(found)
    for folder in _FURTHER_FOLDERS:
        there = [f for f in Path("/").glob(f"{folder[1:]}/{name}") if os.access(f, os.X_OK)]
        if there:
            return max(there, key=lambda file: [int(n) for n in file.parts if n.isdecimal()])
    return None


def program(name: str) -> str:
    """Its path, for tests that are marked as needing it."""
    found = find_program(name)
    assert found is not None, f"{name} is not installed: mark the test with needs_tool"
    return str(found)
