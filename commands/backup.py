"""`backup`: a consistent copy of everything, while the server runs."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
from sqlalchemy.engine import make_url

from commands.outcome import emit, json_option
from recommender.errors import FairreelError

if TYPE_CHECKING:
    from settings import Settings


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Copy databases, snapshots, keys and models to FOLDER, which must not be there yet.

    Keep its folder `keys` apart from the rest: who has it can sign models.
    """
    from settings import Settings

    copied = back_up(Settings(), folder)
    emit({"folder": str(folder), "copied": copied}, as_json, [f"{folder}/{c}" for c in copied])


def back_up(settings: Settings, folder: Path) -> list[str]:
    """What was copied, by its name in `folder`.

    The log comes after the store: what the copied store has applied is then in the copied log,
    and what the log has beyond it is applied on the next start.

    Raises:
        FairreelError: the folder is there already, or a database is not SQLite's.
    """
    if folder.exists():
        raise FairreelError(f"{folder}: is there already")
    urls = {"store.db": settings.store(), "log.db": settings.log(),
            "responses.db": settings.responses()}
    files = {name: _sqlite_file(url) for name, url in urls.items()}
    folder.mkdir(parents=True)
    copied = [name for name, file in files.items() if _copy_database(file, folder / name)]
    trees = {"snapshots": Path(settings.snapshots()), "keys": settings.signing_key().parent,
             "models": settings.registry_folder / "models"}
    for name, tree in trees.items():
        if tree.is_dir():
            shutil.copytree(tree, folder / name)
            copied.append(name)
    return copied


def _sqlite_file(url: str) -> Path:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise FairreelError(f"{parsed.render_as_string()}: is backed up by its own server's tools")
    return Path(parsed.database)


def _copy_database(file: Path, copy: Path) -> bool:
    if not file.is_file():
        return False
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return True
