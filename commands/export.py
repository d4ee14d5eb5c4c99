"""`export`: events or answers as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import IO

import click
import orjson

from commands.event_lines import open_lines, write_events
from commands.outcome import emit, json_option
from commands.progress import Progress, progress_for, silent
from recommender.answer_events import response_event
from recommender.ports import EventStore
from recommender.types import AnsweredRecord

CHUNK_ROWS = 50_000
_OUT = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("-"),
    help="File; .gz compresses, - (the default) is standard output.",
)  # fmt: skip


def export_events(store: EventStore, file: IO[bytes], progress: Progress = silent) -> int:
    """All applied events, a line each, in the order of their application; how many there were."""
    written, total = 0, store.counts()["events"]
    for frame in store.event_chunks(0, CHUNK_ROWS):
        write_events(frame, file)
        written += len(frame)
        progress("events", written, max(written, total))
    return written


def export_responses(records: Iterable[AnsweredRecord], file: IO[bytes]) -> int:
    """All answers logged, a line each, in the form of the topic `recommendations`."""
    written = 0
    for record in records:
        file.write(orjson.dumps(response_event(record)) + b"\n")
        written += 1
    return written


@click.group("export")
def command() -> None:
    """Write events or answers as JSON lines."""


@command.command("events")
@_OUT
@json_option
def events(out: Path, as_json: bool) -> None:
    """All applied events; `import` reads them back, ids and all."""
    from composition import open_store
    from settings import Settings

    with closing(open_store(Settings())) as side, open_lines(out) as file:
        written = export_events(side.store, file, progress_for(quiet=as_json or str(out) == "-"))
    _tell(out, written, "events", as_json)


@command.command("responses")
@_OUT
@json_option
def responses(out: Path, as_json: bool) -> None:
    """All logged answers of /recommend: who was shown which films, by which model."""
    from adapters.database import open_database
    from adapters.response_rows import answered_records
    from settings import Settings

    engine = open_database(Settings().responses(), "responses")
    try:
        with open_lines(out) as file:
            written = export_responses(answered_records(engine), file)
    finally:
        engine.dispose()
    _tell(out, written, "answers", as_json)


def _tell(out: Path, written: int, what: str, as_json: bool) -> None:
    """On standard output there are the lines themselves and nothing else."""
    if str(out) != "-":
        emit({"file": str(out), what: written}, as_json, [f"wrote {written:,} {what} to {out}"])
