"""Settings of experiments: rollouts, what a canary is judged on, holdout, drift."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator


class ExperimentSettings(BaseModel):
    """How a change of the model reaches the users, and how it is judged."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    # --- experiments
    canary_steps_percent: list[float] = Field(
        default=[5.0, 25.0, 50.0, 100.0], min_length=1, max_length=10)
    """Percentages of users whom a canary gives the candidate, ascending; the last is 100."""
    canary_trained_models: bool = False
    """A trained model that passed the gate begins a canary; else it is served at once."""
    canary_judging_interval_s: float = Field(default=60, ge=1)
    """Seconds between two looks at a rollout."""
    canary_alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Probability to roll back a candidate that is no worse, over all metrics, steps and looks."""
    canary_users_min: int = Field(default=50, ge=10)
    """Users of an arm before a metric is judged."""
    online_success_window_s: int = Field(default=1_800, ge=1)
    """A recommended film watched within so many seconds is a success."""
    online_success_over_s: int = Field(default=86_400, ge=3_600)
    """The last seconds over which online success is told for each model version."""
    experiment_relative_effect: float = Field(default=0.05, gt=0, le=1)
    """Least relative change of online success that is worth knowing."""
    ab_test_diversity: float = Field(default=0.3, ge=0, le=1)
    """Strength of the diversity boost of arm B when an A/B test is begun without a candidate."""
    holdout_percent: float = Field(default=0, ge=0, lt=100)
    """Users who get lists without personalisation at all times; 0 for nobody."""
    holdout_salt: str = Field(default="holdout", min_length=1, max_length=64)
    """Divides them from the others; another salt chooses others."""
    shadow_requests_per_second: float = Field(default=2, gt=0)
    """Most requests that the candidate of a shadow is asked too; others are left out. Each takes
    the interpreter from the requests for about as long as a list that is not kept."""
    shadow_queue_max: int = Field(default=100, ge=1)
    """Requests waiting for the candidate of a shadow; further ones are left out and counted."""
    ab_test_results_file: Path = Path("ab_test_results.json")
    """Report of the running A/B test."""

    # --- drift
    drift_interval_s: int = Field(default=86_400, ge=60)
    """Seconds between two drift reports."""
    drift_window_s: int = Field(default=604_800, ge=3_600)
    """Length of the window that is compared with its reference; whole weeks, for weeks differ
    from day to day."""
    drift_reference_to: AwareDatetime | None = None
    """Where the reference ends, as to find what changes slowly. None: with the newest event that
    the serving model was trained on. It never reaches into the window that is compared."""
    drift_retrain_pause_s: int = Field(default=3_600, ge=0)
    """A drift starts no retrain while the newest model is younger."""

    @property
    def drift_reference_to_ms(self) -> int | None:
        """The same in UTC milliseconds."""
        to = self.drift_reference_to
        return None if to is None else round(to.timestamp() * 1000)

    @field_validator("canary_steps_percent")
    @classmethod
    def _ascending(cls, steps: list[float]) -> list[float]:
        if steps != sorted(set(steps)) or steps[0] <= 0 or steps[-1] != 100:
            raise ValueError("must ascend from above 0 and end at 100")
        return steps
