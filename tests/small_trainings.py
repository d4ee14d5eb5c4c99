"""Trainings on made-up people, compared with a serving model of our choice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from recommender.bundle import ModelBundle
from recommender.gate import GateBounds
from recommender.interactions import Interactions
from recommender.training import (
    Request,
    ServingReference,
    TrainedModel,
    TrainingPlan,
    TrainingResult,
    train,
)
from recommender.types import Movie
from tests.small_data import Row, films

EVERY: list[Request] = [
    (name, {}) for name in ("transition_knn", "knn", "popularity")]


def run(interactions: Interactions, requests: list[Request] = EVERY,
        split: str = "leave_last_out", serving: ServingReference | None = None,
        margin: float = 0.05, movies: Iterable[Movie] | None = None,
        said: list[str] | None = None, **plan: Any) -> list[TrainedModel]:
    """The models of one training; its lines of progress go to `said`."""
    return list(result_of(interactions, requests, split, serving, margin, movies, said,
                          **plan).models)


def result_of(interactions: Interactions, requests: list[Request] = EVERY,
              split: str = "leave_last_out", serving: ServingReference | None = None,
              margin: float = 0.05, movies: Iterable[Movie] | None = None,
              said: list[str] | None = None, **plan: Any) -> TrainingResult:
    """One training; what is more goes to the plan."""
    return train(interactions, films() if movies is None else list(movies),
                 TrainingPlan(requests, split, GateBounds(margin), **plan), serving,
                 (said if said is not None else []).append)


def reference(bundle: ModelBundle, watermark_ms: int | None = None,
              data: Interactions | None = None, same_data: bool = False) -> ServingReference:
    """The bundle as the serving model; `data` is what it was fitted on, None when that is gone."""
    return ServingReference(bundle.name, bundle.hyperparameters,
                            bundle.watermark_ms if watermark_ms is None else watermark_ms, bundle,
                            lambda: data, same_data)


def circle(n_users: int = 80, n_items: int = 60, length: int = 20, user: str = "u",
           film: str = "f", start_ms: int = 10_000) -> list[Row]:
    """People who walk round a circle of films, so that what comes next is known."""
    return [("watch", f"{user}{who}", f"{film}{(who * 7 + step) % n_items}", None,
             start_ms + step * 100 + who)
            for who in range(n_users) for step in range(length)]


def flood(n_users: int = 300, n_items: int = 60, each: int = 40, seed: int = 1) -> list[Row]:
    """Random ratings, older than all others, by accounts made for it."""
    rng = np.random.default_rng(seed)
    return [("rate", f"bot{user}", f"f{film}", float(rng.integers(1, 11)) / 2,
             int(rng.integers(0, 10_000)))
            for user in range(n_users) for film in rng.permutation(n_items)[:each].tolist()]
