"""Reports as JSON files, each there in full or not at all (`ports.ExperimentReports`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from adapters.durable_file import replace_file


class ReportFiles:
    """`files` gives the file of each report by its name."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)

    def write(self, name: str, report: Mapping[str, Any]) -> None:
        """As `ports.ExperimentReports.write`.

        Raises:
            OSError: it cannot be written; the old one is untouched.
            KeyError: no report has this name.
        """
        path = self._files[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
        replace_file(path, orjson.dumps(dict(report), option=options))

    def read(self, name: str) -> dict[str, Any] | None:
        """As `ports.ExperimentReports.read`."""
        try:
            found: dict[str, Any] = orjson.loads(self._files[name].read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return None
        return found
