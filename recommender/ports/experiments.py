"""Where the figures of experiments go, beside the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from recommender.experiments.rollout import Rollout


class ExperimentMetrics(Protocol):
    """Gauges and counters of experiments, named as in docs/api-contract.md."""

    def rollout(self, rollout: Rollout | None) -> None:
        """What runs now."""
        ...

    def rollout_ended(self, outcome: str) -> None:
        """A rollout ended in this way."""
        ...

    def arms(self, means: Mapping[str, Mapping[str, float]]) -> None:
        """Means by arm and metric of the running rollout; what is left out is gone."""
        ...

    def online_success(self, ratios: Mapping[str, float]) -> None:
        """Share of answers with a success by model version; versions left out are gone."""
        ...

    def shadow(self, scored: int, shed: int, failed: int) -> None:
        """Requests that the candidate of a shadow scored since the last call, and did not."""
        ...

    def drift(self, effects: Mapping[str, float], drifted: Collection[str]) -> None:
        """Effect size of each drift test, and which found a drift; tests left out are gone."""
        ...


class ExperimentReports(Protocol):
    """Reports as files."""

    def write(self, name: str, report: Mapping[str, Any]) -> None:
        """Replace the report of this name.

        Raises:
            OSError: it cannot be written; the old one is untouched.
        """
        ...

    def read(self, name: str) -> dict[str, Any] | None:
        """The report of this name, None when there is none yet."""
        ...
