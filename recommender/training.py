"""One training run: part, fit, evaluate, decide, fit on everything, bundle. No input or output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.arrays import Bools
from recommender.bundle import CatalogueTables, ModelBundle, tabulate
from recommender.errors import InvalidField, NothingToTrainOn
from recommender.evaluate import Evaluation, evaluate
from recommender.gate import (
    Comparison,
    ComparisonPlan,
    GateReason,
    Verdict,
    comparison_plan,
    judge,
)
from recommender.interactions import Interactions
from recommender.judged_users import JudgedUsers, judging_split, known_users
from recommender.models import MODELS
from recommender.models.model import ModelSpec
from recommender.models.popularity import PopularityConfig, fit_popularity
from recommender.split import Split, SplitName
from recommender.types import Movie

Progress = Callable[[str], None]
LEAST_ENTRIES = 2
"""Fewer (user, film) entries than this are nothing to train on."""


@dataclass(frozen=True, eq=False)
class ServingReference:
    """The model that serves now.

    bundle: None when its file can't be read. interactions: gives what it was fitted on, None when
    that is gone. same_data: it was fitted on the data of this run.
    """

    name: str
    hyperparameters: Mapping[str, Any]
    watermark_ms: int
    bundle: ModelBundle | None
    interactions: Callable[[], Interactions | None] = lambda: None
    same_data: bool = False


@dataclass(frozen=True, eq=False)
class EvaluatedModel:
    """How a configuration did on a split; fields as of `TrainedModel`."""

    name: str
    metrics: Evaluation
    split: SplitName
    split_requested: SplitName


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
    compared: str | None = None,
) -> list[TrainedModel]:
    """Fit, evaluate and judge each requested (model name, changed hyperparameters).

    The model named `compared` (default: the first requested) is the one to be served: it is
    compared with the serving model, on the users of `judged_users`. The others are only checked
    for being empty or not finite. Measures are those on all users of the split.

    Raises:
        NothingToTrainOn: fewer than `LEAST_ENTRIES` entries.
        InvalidField: an unknown model, hyperparameter or split.
    """
    if compared is None:
        compared = requests[0][0]
    opponent = serving if any(name == compared for name, _ in requests) else None
    specs, run = _begin(interactions, movies, requests, split_name, progress, k, opponent)
    return [
        run.train(spec, overrides, serving, margin, is_compared=spec.name == compared)
        for spec, overrides in specs
    ]


def evaluate_each(
    interactions: Interactions, movies: Sequence[Movie],
    requests: Sequence[tuple[str, Mapping[str, Any]]], split_name: str, progress: Progress,
    k: int = 10,
) -> list[EvaluatedModel]:
    """Fit each requested model on the split's training part and measure it; nothing is judged.

    Raises:
        NothingToTrainOn, InvalidField: as `train` does.
    """
    specs, run = _begin(interactions, movies, requests, split_name, progress, k)
    return [
        EvaluatedModel(spec.name, run.trial(spec, overrides)[1], run.split.used,
                       run.split.requested)
        for spec, overrides in specs
    ]


def _begin(
    interactions: Interactions, movies: Sequence[Movie],
    requests: Sequence[tuple[str, Mapping[str, Any]]], split_name: str, progress: Progress, k: int,
    opponent: ServingReference | None = None,
) -> tuple[list[tuple[ModelSpec[Any], Mapping[str, Any]]], _Run]:
    specs = [(_spec(name), overrides) for name, overrides in requests]
    for spec, overrides in specs:
        spec.configure(overrides)
    if split_name not in set(SplitName):
        raise InvalidField("split", f"no split named {split_name}")
    if len(interactions.items) < LEAST_ENTRIES:
        raise NothingToTrainOn(f"{len(interactions.items)} ratings or watches are too few")
    whole = interactions.with_items(movie.item_id for movie in movies)
    own = None
    known: Bools | None = np.ones(whole.n_users, np.bool_)
    if opponent is not None and not opponent.same_data:
        own = opponent.interactions()
        known = None if own is None else known_users(whole, own)
    split, judged = judging_split(whole, SplitName(split_name), known)
    progress(f"{split.used} split: {len(split.training.items)} entries to fit on, "
             f"{len(split.users)} users to judge by")
    tables = tabulate(movies, whole.item_ids)
    return specs, _Run(whole, split, judged, own, movies, tables, progress, k)


@dataclass(frozen=True, eq=False)
class _Run:
    """What the models of one training run share; `own` is what the serving model was fitted on."""

    whole: Interactions
    split: Split
    judged: JudgedUsers
    own: Interactions | None
    movies: Sequence[Movie]
    tables: CatalogueTables
    progress: Progress
    k: int

    def trial(self, spec: ModelSpec[Any],
              overrides: Mapping[str, Any]) -> tuple[ModelBundle, Evaluation]:
        """The model fitted on the training part, and its measures."""
        self.progress(f"{spec.name}: fitting on the training part")
        trial = self.bundle(spec, overrides, self.split.training)
        self.progress(f"{spec.name}: evaluating")
        metrics = evaluate(trial, self.split, self.whole, self.k)
        self.progress(f"{spec.name}: HR@{self.k} {metrics.hit_rate.value:.4f} "
                      f"NDCG@{self.k} {metrics.ndcg.value:.4f} "
                      f"coverage@{self.k} {metrics.coverage.value:.3f}")
        return trial, metrics

    def train(self, spec: ModelSpec[Any], overrides: Mapping[str, Any],
              serving: ServingReference | None, margin: float, is_compared: bool) -> TrainedModel:
        """A model judged on the split and fitted on everything."""
        trial, metrics = self.trial(spec, overrides)
        comparison: Comparison | GateReason = GateReason.NOT_COMPARED
        if serving is not None and is_compared:
            comparison = self.compare(serving, trial, metrics)
        self.progress(f"{spec.name}: fitting on everything")
        final = self.bundle(spec, overrides, self.whole)
        verdict = judge(metrics, trial.model.is_finite() and final.model.is_finite(),
                        comparison, margin, serving is None)
        outcome = "passed" if verdict.passed else "refused"
        self.progress(f"{spec.name}: {outcome}. {verdict.explanation}")
        return TrainedModel(spec.name, final, spec.hyperparameters(overrides), metrics,
                            self.split.used, self.split.requested, verdict)

    def compare(self, serving: ServingReference, trial: ModelBundle,
                metrics: Evaluation) -> Comparison | GateReason:
        """The trial and the serving model on the same lists, fair by `comparison_plan`.

        Its own data is what tells whether the data of this run is worse: with the same settings
        on the same data a model would only be compared with itself.
        """
        plan = comparison_plan(serving.watermark_ms, self.split.cut_ms)
        if plan is ComparisonPlan.JUDGE_ARTIFACT and serving.bundle is not None:
            self.progress("evaluating the serving model")
            return self.against(serving.bundle, "the serving model", metrics)
        spec = MODELS.get(serving.name)
        if spec is None:
            return GateReason.NOT_COMPARED
        try:
            settings = spec.hyperparameters(serving.hyperparameters)
        except InvalidField:  # its configuration is no longer possible, so it can't be refitted
            return GateReason.NOT_COMPARED
        same = (spec.name, tuple(settings.items())) == (trial.name, trial.settings)
        if same and serving.same_data:
            return GateReason.SAME_DATA
        if self.own is not None:
            self.progress("fitting the serving configuration on the older part of its own data")
            part = self.split.without_answers(self.own.with_items(self.whole.item_ids))
            return self.against(self.bundle(spec, settings, part),
                                "the serving configuration on its own data", metrics)
        if same:
            return GateReason.SAME_CONFIGURATION
        self.progress("fitting the serving configuration on the training part")
        return self.against(self.bundle(spec, settings, self.split.training),
                            "the serving configuration on the new data", metrics)

    def against(self, opponent: ModelBundle, described: str, metrics: Evaluation) -> Comparison:
        """The measures of the trial beside those of a bundle, on the users who are judged."""
        rows = self.judged.rows
        theirs = evaluate(opponent, self.split.only(rows), self.whole, self.k)
        return Comparison(metrics.ndcg_of(rows), theirs.ndcg.value, described,
                          self.judged.described)

    def bundle(self, spec: ModelSpec[Any], overrides: Mapping[str, Any],
               part: Interactions) -> ModelBundle:
        """The model fitted on a part."""
        same_films = part.item_ids == self.whole.item_ids
        tables = self.tables if same_films else tabulate(self.movies, part.item_ids)
        return ModelBundle(
            spec.name, tuple(spec.hyperparameters(overrides).items()), part.item_ids,
            spec.fit_with(part, overrides), fit_popularity(part, PopularityConfig()),
            tables, part.watermark_ms,
        )


def _spec(name: str) -> ModelSpec[Any]:
    if name not in MODELS:
        raise InvalidField("models", f"no model named {name}")
    return MODELS[name]
