"""The sequence blend times matrix factorisation: what comes next, times what the user likes.

The blend follows the last films of a history in the histories of others; factors know which films
go together whatever their order, also for films that few took. Each is blind where the other sees,
most of all with little data. A challenger: it costs a fit of ALS and, for each list, a small system
of equations more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recommender.arrays import Bools, Float32s, Int32s
from recommender.interactions import Interactions
from recommender.models.als import AlsConfig, AlsModel, fit_als
from recommender.models.model import EncodedHistory, ModelSpec, SearchRange, hyperparameter
from recommender.models.sequence_blend import (
    SequenceBlendConfig,
    fit_sequence_blend,
    heed_newcomers,
)
from recommender.models.sequence_model import SequenceModel, popularity_factor
from recommender.ranking import Ranked

EVIDENCE = np.float32(0.03)
"""What stands for no taste at all, in shares of the film that fits the user best."""


@dataclass(frozen=True)
class SequenceAlsConfig(SequenceBlendConfig):
    """Hyperparameters of the blend, and of ALS as `AlsConfig` has them."""

    to_power: float = hyperparameter(0.1, least=0, search=SearchRange(0, 2))
    """As for the blend. A challenger is to be accurate first."""
    neighbours: int = hyperparameter(200, least=1)
    """As for the closed form."""
    row_power: float = hyperparameter(0.1, least=0)
    """Power of popularity that decides which weights of the closed form are kept. Were it
    `to_power`, too few films would be left for ALS to choose among. Changes results."""
    als_power: float = hyperparameter(1.5, least=0, search=SearchRange(0, 4))
    """Power of the share that ALS gives a film. Changes results."""
    als_half_life: float = hyperparameter(10.0, least=0, search=SearchRange(1, 50, log=True))
    """Films after which an entry of the history at hand counts half. Changes results."""
    als_factors: int = hyperparameter(64, least=1)
    """Length of the vectors. Changes results, size and speed."""
    als_unobserved_weight: float = hyperparameter(0.1, least=0)
    """What a film not taken counts beside one taken. Changes results."""
    als_regularization: float = hyperparameter(0.003, least=1e-6)
    """Penalty, times what the entries and the films not taken count. Changes results."""
    als_passes: int = hyperparameter(12, least=1)
    """Alternations. Changes results and the time of the fit."""
    seed: int = hyperparameter(0, least=0)
    """Of the first film vectors."""

    @property
    def als(self) -> AlsConfig:
        """The hyperparameters of ALS."""
        return AlsConfig(
            factors=self.als_factors, unobserved_weight=self.als_unobserved_weight,
            regularization=self.als_regularization, passes=self.als_passes,
            half_life=self.als_half_life, seed=self.seed)


@dataclass(frozen=True, eq=False)
class SequenceAlsModel:
    """score = the blend's * (t + EVIDENCE)^power, t = the score of ALS, below 0 = 0, divided by the
    largest of all films that may be listed."""

    blend: SequenceModel
    factors: AlsModel
    power: float

    def rank(self, history: EncodedHistory, excluded: Int32s, k: int,
             allowed: Bools | None = None, factor: Float32s | None = None) -> Ranked:
        """The k best films; the entry named for each is the one that led the blend to it."""
        taste = self._taste(history, excluded)
        if taste is not None:
            factor = taste if factor is None else factor * taste
        return self.blend.rank(history, excluded, k, allowed, factor)

    def neighbours(self, item: int, k: int) -> Ranked:
        """Those of the blend: one film is a way, and no taste."""
        return self.blend.neighbours(item, k)

    def is_finite(self) -> bool:
        """Whether all numbers are finite."""
        return self.blend.is_finite() and self.factors.is_finite()

    def _taste(self, history: EncodedHistory, excluded: Int32s) -> Float32s | None:
        """What the blend's scores are multiplied with: float32 of shape (n_items,)."""
        vector = self.factors.user_vector(history)
        if vector is None:
            return None
        scores: Float32s = np.maximum(self.factors.vectors @ vector, np.float32(0))
        scores[excluded] = 0.0
        most = scores.max(initial=np.float32(0))
        if not most > 0:
            return None
        # Evidence too: of a history of few films it counts as much less as the blend's.
        power = np.float32(self.power * self.blend.trust(len(history.items)))
        taste: Float32s = (scores / most + EVIDENCE) ** power
        return taste


def fit_sequence_als(interactions: Interactions, config: SequenceAlsConfig) -> SequenceAlsModel:
    """Both parts."""
    rows_kept = replace(config, to_power=config.row_power, newcomers=0)
    blend = replace(fit_sequence_blend(interactions, rows_kept),
                    factor=popularity_factor(interactions, config.to_power))
    blend = heed_newcomers(blend, interactions, config)
    return SequenceAlsModel(blend, fit_als(interactions, config.als), config.als_power)


SEQUENCE_ALS = ModelSpec("sequence_als", SequenceAlsConfig, fit_sequence_als)
