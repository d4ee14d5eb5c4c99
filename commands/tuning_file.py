"""The result file of a search: a header, then a line for every trial; a cut search goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson

from recommender.errors import InvalidField
from recommender.search import Trial


class TuningFile:
    """JSON lines; each trial is on the disk before the next one begins.

    Args:
        header: what the search is; a file of another search is refused.

    Raises:
        InvalidField: the file is of another search, or damaged.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self._path = path
        self._done: dict[tuple[int, int], Trial] = {}
        if path.exists() and path.stat().st_size:
            self._read(orjson.loads(orjson.dumps(header)))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append(header)

    def find(self, rung: int, number: int) -> Trial | None:
        """A trial that is done."""
        return self._done.get((rung, number))

    def add(self, trial: Trial, measures: dict[str, Any]) -> None:
        """Write down a trial with all that was measured."""
        self._done[trial.rung, trial.number] = trial
        self._append({
            "rung": trial.rung, "trial": trial.number, "overrides": dict(trial.overrides),
            "ndcg": trial.ndcg, "coverage": trial.coverage, **measures,
        })

    def _read(self, header: dict[str, Any]) -> None:
        content = self._path.read_bytes()
        whole, _, torn = content.rpartition(b"\n")
        if torn:  # the last write was cut: that trial is made again
            with self._path.open("r+b") as file:
                file.truncate(len(content) - len(torn))
        try:
            known, *lines = [orjson.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise InvalidField("out", f"{self._path} is no result file: {error}") from error
        different = [name for name in header if known.get(name) != header[name]]
        if different:
            raise InvalidField("out", f"{self._path} is of another search: other "
                                      f"{', '.join(different)}")
        for line in lines:
            trial = Trial(line["rung"], line["trial"], line["overrides"], line["ndcg"],
                          line["coverage"])
            self._done[trial.rung, trial.number] = trial

    def _append(self, line: dict[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
