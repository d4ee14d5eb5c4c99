"""How a command ends: what it prints, and with which code it exits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import orjson

from recommender.errors import FairreelError, InvalidField, NothingToTrainOn, UnreadableImport
from recommender.event_codec import time_ms

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_UNUSABLE = 2
EXIT_CODES = (
    "Exit codes: 0 done; 1 failed, or lines were left out under --strict; "
    "2 wrong usage, or nothing usable in what was given."
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


def exit_code(error: FairreelError) -> int:
    """The code that an error ends a command with."""
    unusable = isinstance(error, UnreadableImport | InvalidField | NothingToTrainOn)
    return EXIT_UNUSABLE if unusable else EXIT_FAILED


def emit(document: Any, as_json: bool, lines: Sequence[str]) -> None:
    """Print the result on standard output: one JSON document, or lines for people."""
    text = orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS).decode() if as_json else None
    for line in lines if text is None else [text]:
        click.echo(line)


def instant(value: str, field: str) -> int:
    """UTC ms of a time in ISO 8601; without a zone it is UTC.

    Raises:
        InvalidField: it is none.
    """
    try:
        return time_ms(value)
    except ValueError as error:
        raise InvalidField(field, str(error)) from error
