"""A manifest to change in tests."""

from __future__ import annotations

from typing import Any

from recommender.manifest import Manifest, Metric, Verdict, Watermark
from recommender.provenance import CodeState, GitState


def manifest(**changes: Any) -> Manifest:
    """Version 3 of a transition KNN, with these fields changed."""
    values: dict[str, Any] = {
        "version": 3, "version_id": "20261121T003000Z", "name": "transition_knn",
        "code": CodeState(
            git=GitState(sha="a" * 40, branch="main"), python_version="3.11.2",
            lock_file_sha256="b" * 64,
        ),
        "created_at_ms": 1_795_221_000_000, "trained_from_ms": 0, "trained_to_ms": 5,
        "data_snapshot_id": "sha256:" + "c" * 64,
        "watermark": Watermark(timestamp_ms=5, sequence=9), "rows": 9, "users": 3, "items": 4,
        "hyperparameters": {"window": 10, "half_life": 2.0},
        "metrics": {"ndcg_at_10": Metric(value=0.16, low=0.15, high=0.17)},
        "split": "temporal", "split_requested": "temporal", "training_s": 1.5,
        "verdict": Verdict(passed=True, reason="first_model"),
    }  # fmt: skip
    return Manifest(**(values | changes))
