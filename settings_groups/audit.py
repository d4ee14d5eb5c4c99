"""Settings of the audits: how often, on how many lists, what is required, what refuses a model."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Requirement(StrEnum):
    """What may refuse a model. Quality parity is not among them: groups differ by nature."""

    COVERAGE = "coverage"
    GINI = "gini"
    DIVERSITY = "diversity"
    DIVERSITY_PARITY = "diversity_parity"
    TAIL_SHARE = "tail_share"
    SHOWN_GINI = "shown_gini"
    TOP_SHARE = "top_share"


class AuditSettings(BaseModel):
    """Requirements of fairness and feedback loops; see docs/fairness.md for what they mean."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    # --- audits
    audit_interval_s: int = Field(default=3_600, ge=60)
    """Seconds between audits of the logged answers."""
    audit_window_s: int = Field(default=86_400, ge=3_600)
    """Answers of so many seconds are audited."""
    audit_timeout_s: int = Field(default=900, ge=10)
    """An audit that takes longer is ended."""
    audit_pictures: bool = True
    """Draw the reports as PNG files too."""
    audit_lists: int = Field(default=6_000, ge=30)
    """Lists of ten films that exposure is judged at, or one for each person if these are fewer."""
    audit_group_least: int = Field(default=30, ge=2)
    """People that a group needs to be judged."""
    audit_enforced: list[Requirement] = [Requirement.COVERAGE, Requirement.GINI]
    """Requirements that refuse a model; others warn. `coverage` and `gini` are held against the
    serving model, with a margin, the others against their threshold."""
    audit_coverage_min: float = Field(default=0.80, ge=0, le=1)
    """Share of the active catalogue that is shown at least once."""
    audit_gini_max: float = Field(default=0.72, ge=0, le=1)
    """Gini of the exposure over the active catalogue, films never shown too."""
    audit_diversity_parity_max: float = Field(default=0.15, ge=0, le=1)
    """Largest difference of intra-list diversity between groups of activity."""
    audit_diversity_min: float = Field(default=0.15, ge=0, le=1)
    """Mean intra-list diversity."""
    audit_tail_share_min: float = Field(default=0.70, ge=0, le=1)
    """Exposure outside the 10 % most shown films (a published target)."""
    audit_shown_gini_max: float = Field(default=0.35, ge=0, le=1)
    """Gini over the films shown at all (a published target)."""
    audit_top_share_max: float = Field(default=0.30, ge=0, le=1)
    """Exposure of the 10 % most shown films (a published target)."""
    audit_quality_ratio_min: float = Field(default=0.90, ge=0, le=1)
    """NDCG of each group / that of all."""
    audit_echo_slope_max: float = Field(default=0.01, ge=0, le=1)
    """Rise of Gini from window to window above which a trend is an echo."""
