"""Reports of audits in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class InMemoryAudits:
    """Holds what a test puts into `reports` and `rows`."""

    def __init__(self) -> None:
        self.reports: dict[str, Mapping[str, Any]] = {}
        self.rows: list[Mapping[str, Any]] = []

    def report(self, name: str) -> Mapping[str, Any] | None:
        return self.reports.get(name)

    def history(self) -> Sequence[Mapping[str, Any]]:
        return self.rows
