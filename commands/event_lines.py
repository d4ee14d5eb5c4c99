"""Events and answers as JSON lines, compressed when the name of the file ends with .gz."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pandas as pd

from recommender.event_codec import encode
from recommender.schemas import Columns
from recommender.types import Event, EventType


@contextmanager
def open_lines(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is complete; "-" is standard output."""
    if str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as raw:
            if path.suffix == ".gz":
                # No time and no name in the header: equal events give equal files.
                with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_events(frame: pd.DataFrame, file: IO[bytes]) -> None:
    """A line an event, in the form that events have on their topics; `import` reads it back."""
    columns = (frame[name].tolist() for name in Columns.EVENT)
    lines = [encode(_event(values)) for values in zip(*columns, strict=True)]
    if lines:
        file.write(b"\n".join(lines) + b"\n")


def _event(values: tuple[Any, ...]) -> Event:
    event_id, version, kind, user, item, rating, minute, query, at, received, source = values
    return Event(
        event_id=event_id,
        type=EventType(kind),
        user_id=user,
        item_id=None if pd.isna(item) else item,
        timestamp_ms=at,
        received_at_ms=received,
        source=source,
        rating=None if pd.isna(rating) else float(rating),
        minute=None if pd.isna(minute) else int(minute),
        query=None if pd.isna(query) else query,
        schema_version=version,
    )
