"""Settings of training: what is fitted when, how it is judged, what is kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TrainingSettings(BaseModel):
    """When models are fitted, which, and what the gate allows."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    # --- training
    retrain_interval_s: int = Field(default=10_800, ge=10)
    """Seconds between retrains."""
    snapshot_interval_s: int = Field(default=3_600, ge=10)
    """Seconds between Parquet snapshots."""
    models: list[str] = Field(default=["transition_knn", "knn", "popularity"], min_length=1)
    """Models fitted by a retrain, at least one; the first is the one to serve until a switch."""
    split: str = Field(default="temporal", pattern="^(temporal|leave_last_out)$")
    """How validation events are chosen: `temporal` (last tenth) or `leave_last_out`."""
    gate_margin: float = Field(default=0.05, ge=0, le=1)
    """Relative loss of validation NDCG@10 against the serving model that the gate allows."""
    models_kept: int = Field(default=10, ge=2)
    """Model files kept for each model name; serving and previous ones always stay."""
    training_timeout_s: int = Field(default=1_800, ge=10)
    """A retrain that takes longer is ended."""
    model_file_max_bytes: int = Field(default=2 << 30, ge=1024)
    """A larger model file is refused."""
