"""What the scan scripts share: arguments, records of a file, the report, one line for an error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import orjson

from adapters.durable_file import replace_file
from adapters.log_files import log_lines
from recommender.audit.log_lines import records_of
from recommender.audit.log_records import Record
from recommender.errors import UnreadableImport

EXIT_UNUSABLE = 2


class ScanArguments(argparse.ArgumentParser):
    """Wrong usage is one line on standard error and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Say it and end."""
        fail(message)


def fail(message: str) -> NoReturn:
    """End with what is wrong: nothing usable, or wrong usage."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(EXIT_UNUSABLE)


def read_records(name: str, add: Callable[[Record], None]) -> tuple[int, int]:
    """Give each record of the file to `add`; returns the lines read and those unreadable of them.

    Blank lines do not count. Ends the program when the file cannot be read.
    """
    read = unreadable = 0
    try:
        for line in log_lines(name, lambda damage: print(f"warning: {damage}", file=sys.stderr)):
            read += 1
            records = None if line is None else records_of(line)
            if records is None:
                unreadable += 1
                continue
            for record in records:
                add(record)
    except UnreadableImport as error:
        fail(str(error))
    return read, unreadable


def deliver(report: dict[str, Any], out: Path | None) -> None:
    """Print the report, and write it under its name in one step when there is one."""
    text = orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    sys.stdout.buffer.write(text)
    sys.stdout.flush()
    if out is not None:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            replace_file(out, text)
        except OSError as error:
            print(f"error: {out}: {error.strerror or error}", file=sys.stderr)
            raise SystemExit(1) from error
