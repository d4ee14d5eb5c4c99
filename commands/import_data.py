"""`import`: events, films and people from files into the store."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path

import click

from clock import now_ms
from commands.import_source import ImportReport, columns_told, import_source
from commands.outcome import emit, instant, json_option
from commands.progress import progress_for
from recommender.errors import FairreelError, UnreadableImport
from recommender.import_layouts import ColumnMapping
from recommender.types import EventType


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--movies", type=click.Path(path_type=Path), help="File of films.")
@click.option("--people", type=click.Path(path_type=Path), help="File of people.")
@click.option("--user", help="Column of the user id.")
@click.option("--item", help="Column of the film id.")
@click.option("--rating", help="Column of the rating; without one, lines are watches.")
@click.option("--timestamp", help="Column of the time: ISO 8601, seconds or milliseconds.")
@click.option("--position", help="Column of places 0, 1, ...: time = --start + place * --step-s.")
@click.option("--minute", help="Column of the minute reached in the film.")
@click.option("--type", "fixed_type", type=click.Choice(["rate", "watch", "view"]),
              help="What every line is.")
@click.option("--type-column", help=f"Column that tells line by line: {', '.join(EventType)}.")
@click.option("--start", default="2000-01-01", show_default=True, help="Time of position 0 (UTC).")
@click.option("--step-s", default=60.0, show_default=True, type=click.FloatRange(min=0.001),
              help="Seconds from one position to the next.")
@click.option("--delimiter", help="What stands between the values of a CSV line.")
@click.option("--strict", is_flag=True, help="Exit with 1 when lines or parts were left out.")
@click.option("--again", is_flag=True,
              help="Import events also when they were imported with other columns.")
@json_option
def command(
    source: Path, movies: Path | None, people: Path | None, user: str | None, item: str | None,
    rating: str | None, timestamp: str | None, position: str | None, minute: str | None,
    fixed_type: str | None, type_column: str | None, start: str, step_s: float,
    delimiter: str | None, strict: bool, again: bool, as_json: bool,
) -> None:  # fmt: skip
    """Import SOURCE: a MovieLens folder (ml-100k, ml-1m, ml-latest, ml-32m) or a table of events.

    A table is CSV, TSV or JSON lines (also .gz) or Parquet. Usual column names are found; others
    are named with the options; the columns taken are told. Good lines go in, broken ones are
    listed. What was imported before is skipped; the same file with other columns is refused.
    """
    from composition import IMPORT_CACHE_KIB, open_store
    from settings import Settings

    mapping = ColumnMapping(
        user=user, item=item, rating=rating, timestamp=timestamp, position=position,
        minute=minute, type_column=type_column,
        type=EventType(fixed_type) if fixed_type else None,
        start_ms=instant(start, "--start"), step_ms=round(step_s * 1000), delimiter=delimiter,
    )  # fmt: skip
    with closing(open_store(Settings(), IMPORT_CACHE_KIB)) as side:
        report = import_source(
            source, mapping, side.store, side.catalogue, side.imports, now_ms(),
            progress_for(quiet=as_json), movies=movies, people=people, again=again,
        )  # fmt: skip
    emit(dataclasses.asdict(report), as_json, summary_lines(report))
    if report.empty:
        raise UnreadableImport(f"{source}: no usable line")
    if strict and (report.rejected or report.unreadable):
        what = [f"{report.rejected} lines"] if report.rejected else []
        raise FairreelError(f"{source}: {', '.join(what + report.unreadable)} were left out")


def summary_lines(report: ImportReport) -> list[str]:
    """The report for people."""
    lines = [f"{name}: already imported" for name in report.already_imported]
    lines += [f"{name}: not there" for name in report.missing]
    lines += [f"left out: {part}" for part in report.unreadable]
    if report.columns:
        lines.append(f"columns: {columns_told(report.columns)}; {report.kind}")
    lines.append(
        f"imported {report.events:,} events, {report.movies:,} films, {report.people:,} people "
        f"from {report.source} ({report.layout}) in {report.seconds:.1f} s"
    )
    if report.duplicates:
        lines.append(f"{report.duplicates:,} events were there already")
    if report.conflicts:
        lines.append(f"{report.conflicts:,} events left out: the store has others of these ids")
    if report.rejected:
        lines.append(f"{report.rejected:,} lines left out:")
        lines += [f"  {r['file']} line {r['line']}: {r['reason']}" for r in report.first_rejected]
    if report.rejected > len(report.first_rejected):
        lines.append("  ...")
    return lines
