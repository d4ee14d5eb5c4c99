"""Taking a person out of the reports: those of the security audit name accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from adapters.durable_file import replace_file

_ERASED = "erased"
_NAMING = frozenset({"user_id", "users", "accounts"})


class ReportErasure:
    """`ports.ErasesUser` over the JSON documents of a folder. Where a document names the user
    `erased` stands instead; its figures stay as they were measured."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def erase(self, user_id: str, at_ms: int) -> dict[str, int]:
        """As `ports.ErasesUser.erase`; counts places in the documents.

        Raises:
            OSError: a document cannot be written.
        """
        changed = 0
        for file in sorted(self._folder.glob("*.json*")):
            # A document, or a history with one a line.
            content = file.read_bytes()
            lines = [content] if file.suffix == ".json" else content.split(b"\n")
            found = [_without(line, user_id) for line in lines]
            count = sum(places for _, places in found)
            if count:
                replace_file(file, b"\n".join(line for line, _ in found))
            changed += count
        return {"reports": changed}


def _without(line: bytes, user_id: str) -> tuple[bytes, int]:
    """The document without the user, and how often it was named; what is no JSON stays."""
    if user_id.encode() not in line:
        return line, 0
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line, 0
    count = _replace(document, user_id)
    indent = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE if b"\n" in line else 0
    return (orjson.dumps(document, option=indent), count) if count else (line, 0)


def _replace(node: Any, user_id: str) -> int:
    """In place; the number of places."""
    count = 0
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, dict | list):
            if key in _NAMING and isinstance(value, list):
                count += value.count(user_id)
                value[:] = [_ERASED if each == user_id else each for each in value]
            count += _replace(value, user_id)
        elif key == "user_id" and value == user_id:
            node[key] = _ERASED
            count += 1
    return count
