"""Ids to spread a load over, read from the store of a data folder."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def _column(data_folder: Path, query: str) -> list[str]:
    with sqlite3.connect(f"file:{data_folder}/store.db?mode=ro", uri=True) as connection:
        return [row[0] for row in connection.execute(query)]


def users_with_history(data_folder: Path) -> list[str]:
    """Every user who rated or watched something."""
    return _column(data_folder, "SELECT DISTINCT user_id FROM interactions")


def films(data_folder: Path) -> list[str]:
    """Every film of the catalogue."""
    return _column(data_folder, "SELECT item_id FROM movies")
