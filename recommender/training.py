"""One training run: part, fit, evaluate, decide, fit on everything, bundle. No input or output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.bundle import CatalogueTables, ModelBundle, tabulate
from recommender.errors import InvalidField, NothingToTrainOn
from recommender.evaluate import Evaluation, evaluate
from recommender.gate import ComparisonPlan, Verdict, comparison_plan, judge
from recommender.interactions import Interactions
from recommender.models import MODELS
from recommender.models.model import ModelSpec
from recommender.models.popularity import PopularityConfig, fit_popularity
from recommender.split import Split, SplitName, split_interactions
from recommender.types import Movie

Progress = Callable[[str], None]
LEAST_ENTRIES = 2
"""Fewer (user, film) entries than this are nothing to train on."""


@dataclass(frozen=True, eq=False)
class ServingReference:
    """The model that serves now. `bundle` may be None when its file can't be read."""

    name: str
    hyperparameters: Mapping[str, Any]
    watermark_ms: int
    bundle: ModelBundle | None


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model fitted on everything, and how the same configuration did on the split.

    metrics: measured on models fitted on the split's training part. split: as used; it differs
    from `split_requested` when that found too few users.
    """

    name: str
    bundle: ModelBundle
    hyperparameters: dict[str, float | int]
    metrics: Evaluation
    split: SplitName
    split_requested: SplitName
    verdict: Verdict


def train(
    interactions: Interactions, movies: Sequence[Movie],
    requests: Sequence[tuple[str, Mapping[str, Any]]], split_name: str,
    serving: ServingReference | None, margin: float, progress: Progress, k: int = 10,
) -> list[TrainedModel]:
    """Fit, evaluate and judge each requested (model name, changed hyperparameters).

    The first request is the one to be served: it is compared with the serving model. The others
    are only checked for being empty or not finite.

    Raises:
        NothingToTrainOn: fewer than `LEAST_ENTRIES` entries.
        InvalidField: an unknown model, hyperparameter or split.
    """
    specs = [(_spec(name), overrides) for name, overrides in requests]
    for spec, overrides in specs:
        spec.configure(overrides)
    if split_name not in set(SplitName):
        raise InvalidField("split", f"no split named {split_name}")
    if len(interactions.items) < LEAST_ENTRIES:
        raise NothingToTrainOn(f"{len(interactions.items)} ratings or watches are too few")
    whole = interactions.with_items(movie.item_id for movie in movies)
    split = split_interactions(whole, SplitName(split_name))
    progress(f"{split.used} split: {len(split.training.items)} entries to fit on, "
             f"{len(split.users)} users to judge by")
    run = _Run(whole, split, tabulate(movies, whole.item_ids), progress, k)
    return [
        run.train(spec, overrides, serving, margin, is_served=place == 0)
        for place, (spec, overrides) in enumerate(specs)
    ]


@dataclass(frozen=True, eq=False)
class _Run:
    """What the models of one training run share."""

    whole: Interactions
    split: Split
    tables: CatalogueTables
    progress: Progress
    k: int

    def train(self, spec: ModelSpec[Any], overrides: Mapping[str, Any],
              serving: ServingReference | None, margin: float, is_served: bool) -> TrainedModel:
        self.progress(f"{spec.name}: fitting on the training part")
        trial = self.bundle(spec, overrides, self.split.training)
        self.progress(f"{spec.name}: evaluating")
        metrics = evaluate(trial, self.split, self.whole, self.k)
        self.progress(f"{spec.name}: HR@{self.k} {metrics.hit_rate.value:.4f} "
                      f"NDCG@{self.k} {metrics.ndcg.value:.4f} "
                      f"coverage@{self.k} {metrics.coverage.value:.3f}")
        opponent = None
        if serving is not None and is_served:
            opponent = self.stand_in(serving, trial, metrics)
        self.progress(f"{spec.name}: fitting on everything")
        final = self.bundle(spec, overrides, self.whole)
        verdict = judge(metrics, trial.model.is_finite() and final.model.is_finite(), opponent,
                        margin, is_first=serving is None)
        outcome = "passed" if verdict.passed else "refused"
        self.progress(f"{spec.name}: {outcome}. {verdict.explanation}")
        return TrainedModel(spec.name, final, spec.hyperparameters(overrides), metrics,
                            self.split.used, self.split.requested, verdict)

    def stand_in(self, serving: ServingReference, trial: ModelBundle,
                 measured: Evaluation) -> Evaluation | None:
        """Measures of the serving model on the same lists, fair by `comparison_plan`."""
        plan = comparison_plan(serving.watermark_ms, self.split.cut_ms)
        if plan is ComparisonPlan.JUDGE_ARTIFACT and serving.bundle is not None:
            self.progress("evaluating the serving model")
            return evaluate(serving.bundle, self.split, self.whole, self.k)
        spec = MODELS.get(serving.name)
        if spec is None:
            return None
        try:
            settings = spec.hyperparameters(serving.hyperparameters)
        except InvalidField:  # its configuration is no longer possible, so it can't be refitted
            return None
        if (spec.name, tuple(settings.items())) == (trial.name, trial.settings):
            return measured  # fitted on the same rows: the same model
        self.progress("fitting the serving configuration on the training part")
        return evaluate(self.bundle(spec, settings, self.split.training), self.split, self.whole,
                        self.k)

    def bundle(self, spec: ModelSpec[Any], overrides: Mapping[str, Any],
               part: Interactions) -> ModelBundle:
        return ModelBundle(
            spec.name, tuple(spec.hyperparameters(overrides).items()), part.item_ids,
            spec.fit_with(part, overrides), fit_popularity(part, PopularityConfig()),
            self.tables, part.watermark_ms,
        )


def _spec(name: str) -> ModelSpec[Any]:
    if name not in MODELS:
        raise InvalidField("models", f"no model named {name}")
    return MODELS[name]
