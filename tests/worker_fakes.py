"""Working stand-ins for ports that the workers' tests look into."""

from __future__ import annotations

from typing import Any

from recommender.types import AuditEntry


class KeptTelemetry:
    """Keeps every call as (name, arguments)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """Arguments of all calls of this name."""
        return [arguments for called, arguments in self.calls if called == name]

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, arguments))


class KeptAudit:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.written: list[AuditEntry] = []

    def append(self, entry: AuditEntry) -> None:
        """Keep it."""
        self.written.append(entry)

    def entries(self, limit: int = 100) -> list[AuditEntry]:
        """Newest first."""
        return self.written[::-1][:limit]
