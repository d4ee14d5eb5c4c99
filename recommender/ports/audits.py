"""What audits have found, for those who show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class AuditGauge(NamedTuple):
    """One value that an audit tells Prometheus: its name, its labels by name, the value."""

    name: str
    labels: dict[str, str]
    value: float


class AuditReports(Protocol):
    """The newest reports, as in docs/fairness.md, and how the figures went over retrains."""

    def report(self, name: str) -> Mapping[str, Any] | None:
        """The newest report of this name, such as `fairness_analysis_results`; None without one."""
        ...

    def history(self) -> Sequence[Mapping[str, Any]]:
        """A row for each model audited, oldest first."""
        ...
