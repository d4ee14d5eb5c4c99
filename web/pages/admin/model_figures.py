"""What the pages show of a model: figures of its manifest, where it descends from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from recommender.types import ModelRecord

SHOWN = (
    ("ndcg_at_10", "NDCG@10"), ("hit_rate_at_10", "HR@10"), ("coverage_at_10", "Coverage@10"),
    ("gini_at_10", "Gini@10"),
)  # fmt: skip
"""Metrics of the manifest and their headings, in the order of the table."""
_NDCG = SHOWN[0][0]
_GENERATIONS_MAX = 50


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the allow-list and its manifest, None where that is gone or was refused."""

    record: ModelRecord
    manifest: Mapping[str, Any] | None

    def metric(self, name: str, metrics: Mapping[str, Any] | None = None) -> str:
        """The value, and its interval where there is one; a dash without.

        Args:
            metrics: of another model of the same training, None for this one's.
        """
        found = (self._metrics() if metrics is None else metrics).get(name)
        if found is None:
            return "\u2013"
        value = found["value"]
        text = f"{value:.0f}" if value > 1 and value == int(value) else f"{value:.4f}"
        if found.get("low") is None or found.get("high") is None:
            return text
        return f"{text} ({found['low']:.4f} to {found['high']:.4f})"

    def figures(self) -> list[str]:
        """`metric` for each of `SHOWN`."""
        return [self.metric(name) for name, _ in SHOWN]

    def further_metrics(self) -> list[tuple[str, str]]:
        """Names and values of the metrics that `SHOWN` leaves out."""
        shown = {name for name, _ in SHOWN}
        return [(name, self.metric(name)) for name in sorted(self._metrics()) if name not in shown]

    def ndcg(self) -> float | None:
        """NDCG@10 on the validation events."""
        found = self._metrics().get(_NDCG)
        return None if found is None else float(found["value"])

    def verdict(self) -> Mapping[str, Any]:
        """What the gate said; the reason of the allow-list where the manifest is gone."""
        if self.manifest is None:
            return {"passed": None, "reason": self.record.reason or "", "explanation": ""}
        found: Mapping[str, Any] = self.manifest["verdict"]
        return found

    def text(self) -> str:
        """The whole manifest as indented JSON."""
        return json.dumps(self.manifest, indent=2, sort_keys=True, ensure_ascii=False)

    def _metrics(self) -> Mapping[str, Any]:
        return {} if self.manifest is None else self.manifest["metrics"]


def ndcg_over_versions(models: Iterable[Model], name: str) -> tuple[list[str], list[float | None]]:
    """Version numbers and NDCG@10 of the models of a name, oldest first."""
    of_name = sorted((m for m in models if m.record.name == name), key=lambda m: m.record.version)
    known = [model for model in of_name if model.ndcg() is not None]
    return [f"v{model.record.version}" for model in known], [model.ndcg() for model in known]


def lineage(
    record: ModelRecord, known: Mapping[str, ModelRecord],
    manifest_of: Callable[[ModelRecord], Mapping[str, Any] | None],
) -> list[Model]:  # fmt: skip
    """The model and those that it was compared with, parent by parent, as far as manifests tell."""
    chain: list[Model] = []
    seen: set[str] = set()
    at: ModelRecord | None = record
    while at is not None and at.version_id not in seen and len(chain) < _GENERATIONS_MAX:
        seen.add(at.version_id)
        manifest = manifest_of(at)
        chain.append(Model(at, manifest))
        parent = manifest and manifest.get("parent_version")
        at = known.get(parent) if parent else None
    return chain
