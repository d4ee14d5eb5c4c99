"""A migrated store for tests: the file is made once, then copied."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from adapters.database import open_database
from tests.databases_of_tests import new_database


@pytest.fixture
def engine(tmp_path: Path, kind: str) -> Iterator[Engine]:
    """An empty store of each kind of database, for tests that import this fixture."""
    engine = new_store(tmp_path, kind)
    yield engine
    engine.dispose()


def new_store(folder: Path, kind: str = "sqlite") -> Engine:
    """An empty store in `folder`, opened."""
    if kind != "sqlite":
        return new_database(folder, "store", kind)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(_template(), folder / "store.db")
    return open_database(f"sqlite:///{folder}/store.db", "store")


@cache
def _template() -> Path:
    folder = tempfile.mkdtemp(prefix="fairreel-store-")
    atexit.register(shutil.rmtree, folder)
    file = Path(folder) / "store.db"
    open_database(f"sqlite:///{file}", "store").dispose()  # the last connection merges the WAL
    return file
