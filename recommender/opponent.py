"""What stands for the serving model when another would take its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recommender.bundle import ModelBundle
from recommender.errors import InvalidField
from recommender.evaluate import Evaluation, evaluate
from recommender.fitting import Fitting
from recommender.gate import Comparison, ComparisonPlan, GateReason, comparison_plan
from recommender.interactions import Interactions
from recommender.judged_users import JudgedUsers
from recommender.models import MODELS
from recommender.models.model import ModelSpec
from recommender.weighting import UNWEIGHTED, Weighting


@dataclass(frozen=True, eq=False)
class ServingReference:
    """The model that serves now.

    bundle: None when its file can't be read. interactions: gives what it was fitted on, None when
    that is gone. same_data: it was fitted on the data of this run. weighting: that of its fit.
    """

    name: str
    hyperparameters: Mapping[str, Any]
    watermark_ms: int
    bundle: ModelBundle | None
    interactions: Callable[[], Interactions | None] = lambda: None
    same_data: bool = False
    weighting: Weighting = UNWEIGHTED


class Opponent:
    """The serving model, judged on the same lists as those who would replace it.

    It is fitted and measured when the first is compared, and only once.

    Args:
        own: what the serving model was fitted on, None when that is gone or the data of this run.
    """

    def __init__(self, serving: ServingReference, fitting: Fitting, judged: JudgedUsers,
                 own: Interactions | None) -> None:
        self._serving = serving
        self._fitting = fitting
        self._judged = judged
        self._own = own
        self._measured: tuple[Evaluation, str] | None = None

    def compare(self, spec: ModelSpec[Any], overrides: Mapping[str, Any],
                found: Evaluation) -> Comparison | GateReason:
        """A candidate, measured as `found`, and the serving model; fair by `comparison_plan`.

        Its own data is what tells whether the data of this run is worse: with the same settings
        on the same data a model would only be compared with itself.
        """
        serving = self._serving
        plan = comparison_plan(serving.watermark_ms, self._fitting.split.cut_ms)
        if plan is ComparisonPlan.JUDGE_ARTIFACT and serving.bundle is not None:
            self._fitting.progress("evaluating the serving model")
            return self._against(found, lambda: (serving.bundle, "the serving model"))
        configuration = self._configuration()
        if configuration is None:
            return GateReason.NOT_COMPARED
        their_spec, settings = configuration
        same = (their_spec.name, settings, serving.weighting) == (
            spec.name, spec.hyperparameters(overrides), self._fitting.weighting)
        if same and serving.same_data:
            return GateReason.SAME_DATA
        if same and self._own is None:
            return GateReason.SAME_CONFIGURATION
        return self._against(found, lambda: self._refitted(their_spec, settings))

    def _configuration(self) -> tuple[ModelSpec[Any], dict[str, float | int]] | None:
        """None where it is no longer possible, so that it can't be fitted again."""
        spec = MODELS.get(self._serving.name)
        if spec is None:
            return None
        try:
            return spec, spec.hyperparameters(spec.as_stored(self._serving.hyperparameters))
        except InvalidField:
            return None

    def _refitted(self, spec: ModelSpec[Any],
                  settings: Mapping[str, Any]) -> tuple[ModelBundle, str]:
        fitting, own, weighting = self._fitting, self._own, self._serving.weighting
        if own is None:
            fitting.progress("fitting the serving configuration on the training part")
            return (fitting.bundle(spec, settings, fitting.split.training, weighting),
                    "the serving configuration on the new data")
        fitting.progress("fitting the serving configuration on the older part of its own data")
        part = fitting.split.without_answers(own.with_items(fitting.whole.item_ids))
        return (fitting.bundle(spec, settings, part, weighting),
                "the serving configuration on its own data")

    def _against(self, found: Evaluation,
                 stand_in: Callable[[], tuple[ModelBundle | None, str]]) -> Comparison:
        """The measures of the candidate beside those of the stand-in, on those who are judged."""
        rows, fitting = self._judged.rows, self._fitting
        if self._measured is None:
            bundle, described = stand_in()
            assert bundle is not None
            theirs = evaluate(bundle, fitting.split.only(rows), fitting.whole, fitting.k,
                              fitting.chain)
            self._measured = theirs, described
        theirs, described = self._measured
        return Comparison(rows, found, theirs, described, self._judged.described)
