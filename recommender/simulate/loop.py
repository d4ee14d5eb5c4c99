"""The loop itself: lists, what is taken of them, the next model, and so on; one arm at a time.

The models are the project's own, fitted anew in each round on all that was taken, and the chains
are those that serve. Arms of one seed share tastes, films, first histories and the random numbers
by which people choose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from recommender.arrays import Float64s, Int32s, Int64s
from recommender.interactions import Interactions
from recommender.metrics import coverage, gini
from recommender.models import MODELS
from recommender.models.model import EncodedHistory, Model
from recommender.ranking import Neighbours
from recommender.rerank.chain import AS_RANKED, RerankChain, chain_of
from recommender.rerank.features import features_of
from recommender.rerank.reranker import Situation, shortlist_of
from recommender.rerank.seeds import seed_of
from recommender.simulate.loop_world import (
    LoopWorld,
    Truth,
    attraction,
    choose,
    draw_truth,
    examination,
    fame_now,
)

MODEL = "transition_knn"
_UNORDERED: Mapping[str, Any] = {"window": 40, "half_life": 0.0}
UNMITIGATED: Mapping[str, Any] = {**_UNORDERED, "to_power": 0.0, "from_power": 0.5}
"""The model of the arms: nothing divides by the popularity of what is recommended. The order of
what people take means nothing in these worlds, so all entries of a history count alike."""
EXPOSURE_KEPT = 0.5
"""Of the exposures of a round, what still counts in the next."""


class Feed(StrEnum):
    """Where the lists of an arm come from."""

    MODEL = "model"
    FROZEN = "frozen"  # the model is never fitted again
    NO_FEEDBACK = "no_feedback"  # what is taken never comes from the lists
    RANDOM = "random"
    ORACLE = "oracle"  # the films of highest true utility


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of recommending. settings: hyperparameters of the model."""

    name: str
    feed: Feed = Feed.MODEL
    chain: RerankChain = AS_RANKED
    settings: Mapping[str, Any] = field(default_factory=lambda: UNMITIGATED)


BASE = "no_mitigation"
ARMS = (
    Arm(BASE),
    Arm("model_exponents", settings=_UNORDERED),
    Arm("popularity_division", chain=chain_of({"popularity_division": 0.5})),
    Arm("mmr", chain=chain_of({"mmr": 0.3})),
    Arm("xquad", chain=chain_of({"xquad": 0.5})),
    Arm("calibrated_genres", chain=chain_of({"calibrated_genres": 0.5})),
    Arm("exposure_cap", chain=chain_of({"exposure_cap": 0.5})),
    Arm("tail_slots", chain=chain_of({"tail_slots": 0.2})),
    Arm("exploration", chain=chain_of({"exploration": 0.5})),
    Arm("combined", settings=_UNORDERED,
        chain=chain_of({"popularity_division": 0.3, "exposure_cap": 0.5})),
    Arm("cap_and_genres",
        chain=chain_of({"exposure_cap": 0.4, "calibrated_genres": 0.7}, pool=200)),
    Arm("random", Feed.RANDOM),
    Arm("oracle", Feed.ORACLE),
    Arm("frozen", Feed.FROZEN),
    Arm("no_feedback", Feed.NO_FEEDBACK),
)
"""`model_exponents` has the exponents of the default transition KNN. The strengths of the cap and
of `combined` were chosen on seeds 901 and 902 of the strong world, those of `cap_and_genres` and
its pool on the same seeds of all three worlds; reports are on other seeds."""

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Course:
    """What one arm did in one seed, each float64 of shape (rounds,).

    gini, coverage: of the films shown in a round, over the whole catalogue. utility: mean true
    utility of the films taken from lists. worth: of the films on the lists. concentration: Gini
    of all that was taken so far.
    """

    gini: Float64s
    coverage: Float64s
    utility: Float64s
    worth: Float64s
    concentration: Float64s


def run_arm(world: LoopWorld, arm: Arm, seed: int) -> Course:
    """The course of one arm in one seed."""
    truth = draw_truth(world, np.random.default_rng([seed, 0]))
    histories = _first_histories(world, truth, np.random.default_rng([seed, 1]))
    people = np.arange(world.people)
    looked = examination(world.k)
    shown_lately = np.zeros(world.films)
    recommender: _Recommender | None = None
    rows: list[tuple[float, ...]] = []
    for round_number in range(world.rounds):
        random = np.random.default_rng([seed, 2, round_number])
        uniforms, from_list = random.random((3, world.people)), random.random(world.people)
        taken = np.bincount(histories.ravel(), minlength=world.films)
        attracts = attraction(world, truth, fame_now(world, truth, taken))
        if recommender is None or arm.feed is not Feed.FROZEN:
            recommender = _Recommender(world, truth, arm, histories)
        shown_lately *= EXPOSURE_KEPT
        lists = recommender.lists(histories, shown_lately, round_number, random)
        exposures = np.bincount(lists.ravel(), minlength=world.films)
        drawn = attracts[people[:, None], lists] * looked
        picked = lists[people, choose(drawn, uniforms[0])]
        free = attracts.copy()
        np.put_along_axis(free, histories, 0.0, axis=1)
        found = choose(free, uniforms[1])
        alone = (from_list < world.organic) | (arm.feed is Feed.NO_FEEDBACK)
        histories = np.column_stack((histories, np.where(alone, found, picked)))
        rows.append((gini(exposures), coverage(exposures),
                     float(truth.utility[people, picked].mean()),
                     float(truth.utility[people[:, None], lists].mean()),
                     gini(np.bincount(histories.ravel(), minlength=world.films))))
    return Course(*np.array(rows, np.float64).T)


def _first_histories(world: LoopWorld, truth: Truth, random: np.random.Generator) -> Int64s:
    """Int64 of shape (people, begun_with): films found without lists, none twice."""
    histories = np.zeros((world.people, 0), np.int64)
    for _ in range(world.begun_with):
        taken = np.bincount(histories.ravel(), minlength=world.films)
        free = attraction(world, truth, fame_now(world, truth, taken))
        np.put_along_axis(free, histories, 0.0, axis=1)
        histories = np.column_stack((histories, choose(free, random.random(world.people))))
    return histories


class _Recommender:
    """Lists of one round."""

    def __init__(self, world: LoopWorld, truth: Truth, arm: Arm, histories: Int64s) -> None:
        self._world, self._truth, self._arm = world, truth, arm
        self._model: Model | None = None
        if arm.feed not in (Feed.RANDOM, Feed.ORACLE):
            interactions = interactions_of(histories, world.films)
            self._model = MODELS[MODEL].fit_with(interactions, arm.settings)
            self._popularity = interactions.item_counts().astype(np.float32)
            self._features = features_of(self._popularity, truth.genre_masks,
                                         Neighbours.empty(world.films))

    def lists(self, histories: Int64s, exposures: Float64s, round_number: int,
              random: np.random.Generator) -> Int64s:
        """Int64 of shape (people, k), none taken before; what is shown is added to exposures."""
        if self._model is not None:
            rows = []
            for person, history in enumerate(histories.astype(np.int32)):
                rows.append(self._list(self._model, person, history, exposures, round_number))
                exposures[rows[-1]] += 1.0
            return np.array(rows)
        if self._arm.feed is Feed.ORACLE:
            scores = self._truth.utility.copy()
        else:
            scores = random.random((self._world.people, self._world.films))
        np.put_along_axis(scores, histories, -1.0, axis=1)
        return np.argsort(-scores, axis=1)[:, :self._world.k]

    def _list(self, model: Model, person: int, history: Int32s, exposures: Float64s,
              round_number: int) -> list[int]:
        k, chain = self._world.k, self._arm.chain
        encoded = EncodedHistory(history, np.ones(len(history), np.float32))
        ranked = model.rank(encoded, history, chain.candidates(k),
                            factor=chain.factor(self._features))
        films = ranked.items
        if chain.stages:
            seed = seed_of(str(person), round_number)
            situation = Situation(self._features, encoded, exposures, seed)
            films = chain.apply(shortlist_of(films, ranked.scores), k, situation).items
        chosen: list[int] = films[:k].tolist()
        if len(chosen) < k:  # the model knows too few: what is taken most, as in serving
            known = {*chosen, *history.tolist()}
            by_count = np.argsort(-self._popularity, kind="stable").tolist()
            chosen += [film for film in by_count if film not in known][:k - len(chosen)]
        return chosen


def interactions_of(histories: Int64s, films: int) -> Interactions:
    """Histories, of shape (people, n), as what models are fitted on: watches in their order."""
    people, length = histories.shape
    times = np.tile(np.arange(length, dtype=np.int64), people)
    return Interactions(
        tuple(map(str, range(people))), tuple(map(str, range(films))),
        np.arange(people + 1, dtype=np.int64) * length, histories.astype(np.int32).ravel(),
        np.full(people * length, np.nan, np.float32), times, times)
