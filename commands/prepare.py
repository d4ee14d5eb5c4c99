"""`prepare`: what a first start needs: an admin key, something to recommend, a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clock import now_ms
from commands.import_data import summary_lines
from commands.import_source import import_source
from commands.keys import create_key
from commands.progress import progress_for
from commands.simulate import store_world, world_unfinished
from recommender.errors import UnreadableImport
from recommender.import_layouts import ColumnMapping, columns_named
from recommender.simulate import WorldSpec
from recommender.types import Role

if TYPE_CHECKING:
    from composition import StoreSide
    from settings import Settings


data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="Folder or file to import first.")
columns_option = click.option(
    "--columns", help="Columns of that file, as user=customer,item=product,timestamp=at (also "
    "rating, position, minute); usual names are found without.")


@click.command("prepare")
@data_option
@columns_option
def command(data: Path | None, columns: str | None) -> None:
    """Get ready to serve: import --data, or make a demo world when there is nothing; train."""
    from settings import Settings

    prepare(Settings(), data, columns_named(columns) if columns else None)


def prepare(settings: Settings, data: Path | None, columns: ColumnMapping | None = None) -> None:
    """Do what is not done yet; a second call finds everything done and takes a moment.

    Raises:
        UnreadableImport: `data` holds nothing usable.
        StoreUnavailable: a database cannot be opened or written, or the log is another's.
    """
    from commands.train import run_training
    from composition import IMPORT_CACHE_KIB, open_store
    from events_composition import open_events
    from settings_groups.bus import Bus

    if settings.bus is Bus.EMBEDDED and not settings.log().startswith("sqlite"):
        open_events(settings).close()  # before anything else: it may belong to another process
    side = open_store(settings, IMPORT_CACHE_KIB)
    try:
        _first_admin_key(side)
        filled = _fill(side, data, columns)
        serves = side.allow_list.serving() is not None
    finally:
        side.close()
    if filled or not serves:
        reason = "new data" if serves else "no model yet"
        # Someone waits for the first list: the audit job draws the pictures once it serves.
        run_training(settings.model_copy(update={"audit_pictures": False}), click.echo,
                     reason=reason, actor="prepare")


def _first_admin_key(side: StoreSide) -> None:
    if any(key.role is Role.ADMIN and key.revoked_at_ms is None for key in side.api_keys.keys()):
        return
    _, secret = create_key(side.api_keys, side.audit, Role.ADMIN, "first start", now_ms())
    click.echo(f"admin key (shown this once): {secret}")


def _fill(side: StoreSide, data: Path | None, columns: ColumnMapping | None) -> bool:
    """Whether anything came in."""
    progress = progress_for(quiet=False)
    if data is not None:
        report = import_source(data, columns, side.store, side.catalogue, side.imports, now_ms(),
                               progress)
        for line in summary_lines(report):
            click.echo(line)
        if report.empty:
            raise UnreadableImport(f"{data}: no usable line")
        return bool(report.events or report.movies)
    if side.store.last_sequence() == 0 or world_unfinished(WorldSpec(), side.imports):
        made = store_world(WorldSpec(), side.store, side.catalogue, side.imports, now_ms(),
                           progress)
        click.echo(f"demo world: {made.events:,} events, {made.movies:,} films, "
                   f"{made.people:,} people in {made.seconds:.1f} s")
        return True
    return False
