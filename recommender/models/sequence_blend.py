"""The closed form times similar histories.

The closed form adds up what each film of the history says by itself; similar histories see which
films were taken together and in which order. They err differently, so their product is far better
than either and costs no more than a pass over the films.
"""

from __future__ import annotations

from dataclasses import dataclass

from recommender.interactions import Interactions
from recommender.models.model import ModelSpec, SearchRange, hyperparameter
from recommender.models.newcomers import with_newcomers
from recommender.models.sequence_model import SequenceModel, popularity_factor
from recommender.models.sequence_parts import Logits
from recommender.models.sequential import SequentialConfig, closed_form
from recommender.models.similar_histories import HistoriesConfig, index_histories


@dataclass(frozen=True)
class SequenceBlendConfig(HistoriesConfig, SequentialConfig):
    """Hyperparameters of both parts; `to_power` divides the product."""

    to_power: float = hyperparameter(0.7, least=0, search=SearchRange(0, 1))
    """Power of its popularity that divides a film's score. More gives wider coverage. Changes
    results."""
    recent: int = hyperparameter(8, least=1)
    """As for similar histories; fewer do, since the closed form knows the rest."""
    reach: int = hyperparameter(10, least=1)
    """As for similar histories."""
    histories: int = hyperparameter(100, least=1)
    """As for similar histories."""
    similarity_power: float = hyperparameter(4.0, least=0)
    """As for similar histories."""
    neighbours: int = hyperparameter(100, least=1)
    """As for the closed form."""
    newcomers: int = hyperparameter(1, least=0, before=0)
    """1: histories of few films are trusted as far as that foresees the first films of others; 0:
    like all others. Changes results."""


def fit_sequence_blend(interactions: Interactions, config: SequenceBlendConfig) -> SequenceModel:
    """Both parts, without logits."""
    model = SequenceModel(closed_form(interactions, config), index_histories(interactions, config),
                          Logits.none(), popularity_factor(interactions, config.to_power))
    return heed_newcomers(model, interactions, config)


def heed_newcomers(model: SequenceModel, interactions: Interactions,
                   config: SequenceBlendConfig) -> SequenceModel:
    """The model with its trust in histories of few films, where the config wants it."""
    if not config.newcomers:
        return model
    return with_newcomers(model, interactions, config.to_power,
                          lambda others: index_histories(others, config))


SEQUENCE_BLEND = ModelSpec("sequence_blend", SequenceBlendConfig, fit_sequence_blend)
