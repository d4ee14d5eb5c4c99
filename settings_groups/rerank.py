"""Settings of reranking: what reorders the list of a model, and how far a request may change it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Strength = Annotated[float, Field(ge=0, le=1)]


class RerankSettings(BaseModel):
    """Which rerankers run, how strong, on how many candidates."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    # --- reranking
    rerank: dict[str, Strength] = {}
    """Strength in [0, 1] of each reranker (JSON object), as in docs/rerank.md, which tells why none
    is the default."""
    rerank_pool: int = Field(default=100, ge=10, le=1_000)
    """Films of the model that rerankers choose from."""
    rerank_period_s: int = Field(default=86_400, ge=60)
    """How long one user's draws (reserved places, exploration) stay the same."""
    diversity_reranker: str = Field(
        default="mmr", pattern="^(mmr|mmr_content|xquad|calibrated_genres)$")
    """The reranker that `diversity` of a request and the diversity boost set."""
    diversity_max: Strength = 1.0
    """The most that a request may ask for by `diversity`; 0 also hides the choice on the page."""
    exposure_half_life_s: int = Field(default=604_800, ge=60)
    """Time after which a showing counts half, for rerankers that look at what was shown."""
    exposure_interval_s: int = Field(default=60, ge=1)
    """Seconds between looks at what was shown."""
