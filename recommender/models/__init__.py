"""One file a model; each passes tests/test_model_contract.py. A new one is one more line here."""

from __future__ import annotations

from typing import Any

from recommender.models.als import ALS
from recommender.models.ease import EASE
from recommender.models.knn import KNN
from recommender.models.model import ModelSpec
from recommender.models.ncf import NCF
from recommender.models.popularity import POPULARITY
from recommender.models.sequence_als import SEQUENCE_ALS
from recommender.models.sequence_blend import SEQUENCE_BLEND
from recommender.models.sequence_softmax import SEQUENCE_SOFTMAX
from recommender.models.sequential import SEQUENTIAL
from recommender.models.similar_histories import SIMILAR_HISTORIES
from recommender.models.transition_knn import TRANSITION_KNN

MODELS: dict[str, ModelSpec[Any]] = {
    spec.name: spec
    for spec in (
        POPULARITY,
        KNN,
        EASE,
        ALS,
        TRANSITION_KNN,
        NCF,
        SEQUENTIAL,
        SIMILAR_HISTORIES,
        SEQUENCE_BLEND,
        SEQUENCE_ALS,
        SEQUENCE_SOFTMAX,
    )
}
