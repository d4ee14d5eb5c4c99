"""What the models of one run share, and how one of them is fitted and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender.bundle import CatalogueTables, ModelBundle, tabulate
from recommender.evaluate import Evaluation, evaluate
from recommender.film_features import film_features
from recommender.interactions import Interactions
from recommender.models.model import ModelSpec
from recommender.models.popularity import PopularityConfig, fit_popularity
from recommender.rerank.chain import AS_RANKED, RerankChain
from recommender.split import Split
from recommender.types import Movie
from recommender.weighting import UNWEIGHTED, Weighting, weigh

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Fitting:
    """whole: all entries. split: of the whole. tables: of its films. k: length of the lists.

    weighting: how entries count in a fit; it is worked out on each part anew. chain: reorders the
    lists that are judged, as in serving.
    """

    whole: Interactions
    split: Split
    movies: Sequence[Movie]
    tables: CatalogueTables
    progress: Progress
    k: int
    weighting: Weighting = UNWEIGHTED
    chain: RerankChain = AS_RANKED

    def trial(self, spec: ModelSpec[Any],
              overrides: Mapping[str, Any]) -> tuple[ModelBundle, Evaluation]:
        """The model fitted on the training part, and its measures."""
        trial = self.trained(spec, overrides)
        return trial, self.measure(trial)

    def trained(self, spec: ModelSpec[Any], overrides: Mapping[str, Any]) -> ModelBundle:
        """The model fitted on the training part; what of the weighting cancels in it is said."""
        self.progress(f"{spec.name}: fitting on the training part")
        for option in sorted(spec.unmoved_by):
            if getattr(self.weighting, option):
                self.progress(f"{spec.name}: {option} cancels in this model and changes nothing")
        return self.bundle(spec, overrides, self.split.training)

    def measure(self, trial: ModelBundle) -> Evaluation:
        """How the lists of a bundle do on the split, as they would be served."""
        self.progress(f"{trial.name}: evaluating")
        found = evaluate(trial, self.split, self.whole, self.k, self.chain)
        self.progress(f"{trial.name}: HR@{self.k} {found.hit_rate.value:.4f} "
                      f"NDCG@{self.k} {found.ndcg.value:.4f} "
                      f"coverage@{self.k} {found.coverage.value:.3f}")
        return found

    def bundle(self, spec: ModelSpec[Any], overrides: Mapping[str, Any], part: Interactions,
               weighting: Weighting | None = None) -> ModelBundle:
        """The model fitted on a part, under that weighting or the run's own."""
        same_films = part.item_ids == self.whole.item_ids
        tables = self.tables if same_films else tabulate(self.movies, part.item_ids)
        features = film_features(self.movies, part.item_ids) if spec.fit_films else None
        return ModelBundle(
            spec.name, tuple(spec.hyperparameters(overrides).items()), part.item_ids,
            spec.fit_with(weigh(part, weighting or self.weighting), overrides, features),
            fit_popularity(part, PopularityConfig()),
            tables, part.watermark_ms,
        )
