"""Lines of a log as records: JSON objects, one a line, and the forms in which they also come."""

from __future__ import annotations

import json
from typing import Any

import orjson

_WRAPPERS = (b"[", b"]", b"],", b"")


def records_of(line: bytes) -> list[dict[str, Any]] | None:
    """The records of a line; None when it cannot be read.

    Beside an object: a list of objects, a line of a list that is spread over lines (a comma at the
    end, a bracket alone: no record), and numbers like NaN, which Python writes and JSON forbids.
    """
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        stripped = line.strip().rstrip(b",")
        if stripped in _WRAPPERS:
            return []
        try:
            found = json.loads(stripped.decode("utf-8"))
        except (ValueError, RecursionError):
            return None
    if isinstance(found, dict):
        return [found]
    if isinstance(found, list) and all(isinstance(entry, dict) for entry in found):
        return found
    return None
