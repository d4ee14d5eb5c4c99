"""The folder of reports: JSON, pictures, history of audits, model cards (`ports.AuditReports`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from adapters.durable_file import replace_file

HISTORY = "audit_history.jsonl"
HISTORY_MAX = 500
CARDS = "model_cards"


class OutputFolder:
    """Each file is there in full or not at all; the folder is made when first written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write_report(self, name: str, document: Mapping[str, Any]) -> None:
        """Write `<name>.json`.

        Raises:
            OSError: the disk is full or the folder not writable; the old file is untouched.
        """
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        self._write(f"{name}.json", text)

    def write_picture(self, name: str, png: bytes) -> None:
        """Write `<name>.png`; raises as `write_report` does."""
        self._write(f"{name}.png", png)

    def write_card(self, version_id: str, text: str) -> None:
        """Write the card of a model; raises as `write_report` does."""
        self._write(f"{CARDS}/model_v{version_id}.md", text.encode())

    def append_history(self, row: Mapping[str, Any]) -> None:
        """Add one row, and let go of the oldest above 500; raises as `write_report` does."""
        rows = [*self.history(), row][-HISTORY_MAX:]
        self._write(HISTORY, b"".join(orjson.dumps(one) + b"\n" for one in rows))

    def report(self, name: str) -> Mapping[str, Any] | None:
        """As `ports.AuditReports.report`."""
        try:
            found = json.loads((self._folder / f"{name}.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def history(self) -> Sequence[Mapping[str, Any]]:
        """As `ports.AuditReports.history`."""
        try:
            lines = (self._folder / HISTORY).read_bytes().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [orjson.loads(line) for line in lines]

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
