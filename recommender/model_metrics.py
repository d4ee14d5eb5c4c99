"""What others are told of a training: how each model did, and what became of it."""

from __future__ import annotations

import orjson

from recommender.manifest import Manifest
from recommender.topics import MODEL_METRICS
from recommender.types import Message, ModelRecord


def metrics_id(version_id: str) -> str:
    """The event id: a training tells of a version once."""
    return f"training/{version_id}"


def metrics_message(manifest: Manifest, record: ModelRecord) -> Message:
    """For the topic `model-metrics`; the key is the name of the model."""
    verdict = manifest.verdict
    return Message(MODEL_METRICS, record.name, orjson.dumps({
        "event_id": metrics_id(record.version_id),
        "kind": "training",
        "name": record.name,
        "model_version": record.version_id,
        "version": record.version,
        "status": record.status.value,
        "passed": verdict.passed,
        "reason": verdict.reason,
        "metrics": {name: metric.value for name, metric in manifest.metrics.items()},
        "data_snapshot_id": manifest.data_snapshot_id,
        "git_sha": manifest.code.git.sha,
        "rows": manifest.rows,
        "training_s": manifest.training_s,
        "timestamp": record.created_at_ms,
    }))  # fmt: skip
