"""`backup`: a consistent copy of everything, while the server runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
from sqlalchemy.engine import URL, make_url

from commands.outcome import emit, json_option
from recommender.errors import FairreelError

if TYPE_CHECKING:
    from settings import Settings


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Copy databases, snapshots, keys and models to FOLDER, which must not be there yet.

    Databases of PostgreSQL are dumped by pg_dump, to be put back by pg_restore.

    Keep its folder `keys` apart from the rest: who has it can sign models.
    """
    from settings import Settings

    copied = back_up(Settings(), folder)
    emit({"folder": str(folder), "copied": copied}, as_json, [f"{folder}/{c}" for c in copied])


def back_up(settings: Settings, folder: Path) -> list[str]:
    """What was copied, by its name in `folder`.

    The log comes after the store: what the copied store has applied is then in the copied log,
    and what the log has beyond it is applied on the next start. Those that share a database of
    PostgreSQL are in one dump, under the name of the first.

    Raises:
        FairreelError: the folder is there already, or a database cannot be dumped.
    """
    if folder.exists():
        raise FairreelError(f"{folder}: is there already")
    urls = {"store": settings.store(), "log": settings.log(), "responses": settings.responses()}
    if not all(map(_is_sqlite, urls.values())):
        _pg_dump()
    folder.mkdir(parents=True)
    # The first name of each database, in this order.
    names = {url: name for name, url in reversed(urls.items())}
    copied = []
    for name in (name for name, url in urls.items() if names[url] == name):
        made = _copy(urls[name], folder, name)
        copied += [made] if made else []
    trees = {"snapshots": Path(settings.snapshots()), "keys": settings.signing_key().parent,
             "models": settings.registry_folder / "models"}
    for name, tree in trees.items():
        if tree.is_dir():
            shutil.copytree(tree, folder / name)
            copied.append(name)
    return copied


def _is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


def _copy(url: str, folder: Path, name: str) -> str | None:
    """The name of the copy; None when there is nothing to copy yet."""
    if _is_sqlite(url):
        file = Path(str(make_url(url).database))
        return f"{name}.db" if _copy_file(file, folder / f"{name}.db") else None
    _dump(make_url(url), folder / f"{name}.dump")
    return f"{name}.dump"


def _copy_file(file: Path, copy: Path) -> bool:
    if not file.is_file():
        return False
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return True


def _pg_dump() -> str:
    found = shutil.which("pg_dump")
    if found is None:
        raise FairreelError("pg_dump: not found; it comes with PostgreSQL's client programs")
    return found


def _dump(url: URL, file: Path) -> None:
    """One consistent state of the database, for pg_restore.

    Raises:
        FairreelError: pg_dump failed.
    """
    # The password not as an argument: others see those.
    secret = {} if url.password is None else {"PGPASSWORD": str(url.password)}
    plain = url.set(drivername="postgresql", password=None)
    done = subprocess.run(
        [_pg_dump(), "--format=custom", "--no-owner", f"--file={file}",
         f"--dbname={plain.render_as_string()}"],
        env={**os.environ, **secret}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise FairreelError(f"pg_dump: {done.stderr.strip() or done.returncode}")
