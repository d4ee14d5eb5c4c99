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
    models: list[str] = Field(
        default=["sequence_blend", "transition_knn", "knn", "popularity"], min_length=1
    )
    """Models fitted by a retrain, at least one; the best that passes the gate is served until a
    switch."""
    split: str = Field(default="temporal", pattern="^(temporal|leave_last_out)$")
    """How validation events are chosen: `temporal` (last tenth) or `leave_last_out`."""
    gate_margin: float = Field(default=0.05, ge=0, le=1)
    """Relative loss of validation NDCG@10 against the serving model that the gate allows."""
    gate_coverage_margin: float = Field(default=0.05, ge=0, le=1)
    """Fall of coverage against the serving model, on the same users, that the gate allows."""
    gate_gini_margin: float = Field(default=0.05, ge=0, le=1)
    """Rise of the whole catalogue's Gini against the serving model that the gate allows."""
    gate_group_floor: float = Field(default=0.5, ge=0, le=1)
    """Share of the mean NDCG@10 below which no group of users may certainly be."""
    weight_time_half_life_days: float = Field(default=0, ge=0)
    """Days after which an entry counts half in a fit; 0: entries of any age count alike."""
    weight_time_strata: int = Field(default=0, ge=0, le=1000)
    """So many equally long spans of time count alike in sum; 0 leaves that out."""
    weight_rare_balance: float = Field(default=0, ge=0, le=1)
    """From 0 (entries as they are) to 1 (each tenth of the films by popularity counts alike)."""
    weight_propensity_power: float = Field(default=0, ge=0, le=1)
    """An entry counts by its film's popularity to minus this power; 0 leaves that out."""
    weight_account_half_life_days: float = Field(default=0, ge=0)
    """An entry counts half when its account was this many days old, and more later; 0: age does
    not matter."""
    models_kept: int = Field(default=10, ge=2)
    """Model files kept for each model name; serving and previous ones always stay."""
    training_budget_s: int = Field(default=1_200, ge=1)
    """Models that a retrain has not begun after this time are dropped, with a note."""
    training_timeout_s: int = Field(default=1_800, ge=10)
    """A retrain that takes longer is ended."""
    model_file_max_bytes: int = Field(default=2 << 30, ge=1024)
    """A larger model file is refused."""
