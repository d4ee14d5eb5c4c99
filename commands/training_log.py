"""The progress log of trainings: JSON lines in a file, and a line each for whoever waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

MAX_BYTES = 4 << 20


class TrainingLog:
    """Appends to `file`; above 4 MiB the file becomes `<file>.1` and a new one begins.

    Args:
        show: gets each line, as JSON or as text for people.
        as_json: which of the two.
        clock: UTC milliseconds.
    """

    def __init__(
        self, file: Path, show: Callable[[str], None], as_json: bool, clock: Callable[[], int]
    ) -> None:
        self._file = file
        self._show = show
        self._as_json = as_json
        self._clock = clock
        self._lock = Lock()
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > MAX_BYTES:
            file.replace(file.with_name(file.name + ".1"))

    def note(self, event: str, **fields: Any) -> None:
        """One line, e.g. `note("progress", text="reading events")`."""
        moment = datetime.fromtimestamp(self._clock() / 1000, UTC)
        line = {"at": moment.isoformat(timespec="milliseconds"), "event": event, **fields}
        text = json.dumps(line, ensure_ascii=False, default=str)
        with self._lock, self._file.open("a", encoding="utf-8") as handle:
            handle.write(text + "\n")
        self._show(text if self._as_json else _for_people(event, fields))

    def progress(self, text: str) -> None:
        """A step of the work."""
        self.note("progress", text=text)


def _for_people(event: str, fields: dict[str, Any]) -> str:
    if event == "progress":
        return str(fields["text"])
    return event + "".join(f"  {name}={value}" for name, value in fields.items())
