"""Fit one model for a task, rank for each of its users, and say how good the lists are."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.accuracy_data import Task
from benchmarks.process_memory import peak_mib
from recommender.arrays import Float64s, Int32s
from recommender.interactions import preference_weights
from recommender.metrics import Measured, coverage, exposures_of, gini, mean_with_interval
from recommender.models import MODELS
from recommender.models.model import EncodedHistory, Model
from recommender.ranking import NONE_EXCLUDED


@dataclass(frozen=True)
class Row:
    """One line of a table.

    recall: share of the targets in the list; with one target it is HR. coverage, gini: over films
    with an entry or a target. fit_s: seconds. rank_ms: mean time of a list. peak_mib: largest
    resident memory of a process that did nothing else. model_mib: size of the pickled model.
    """

    recall: Measured
    ndcg: Measured
    coverage: float
    gini: float
    fit_s: float
    rank_ms: float
    peak_mib: float
    model_mib: float


def measure(task: Task, name: str, overrides: Mapping[str, Any]) -> Row:
    """Fit the named model and judge its lists; run it in a process of its own."""
    start = time.perf_counter()
    model = MODELS[name].fit_with(task.known, overrides)
    fitted = time.perf_counter()
    lists = rank_all(model, task)
    ranked = time.perf_counter()
    recalls, gains = accuracy_of(lists, task)
    active = task.known.item_counts() > 0
    active[np.concatenate(task.targets)] = True
    exposures = exposures_of(lists, task.known.n_items)[active]
    return Row(
        mean_with_interval(recalls), mean_with_interval(gains), coverage(exposures),
        gini(exposures), fitted - start, 1000 * (ranked - fitted) / max(len(lists), 1),
        peak_mib(),
        len(pickle.dumps(model)) / (1 << 20),
    )


def rank_all(model: Model, task: Task) -> Int32s:
    """The list of each user of the task: int32 of shape (n_users, k), -1 where it is shorter.

    Where the task has candidates only these are ranked. Seen films are never listed.
    """
    lists = np.full((len(task.users), task.k), -1, np.int32)
    allowed = None
    for row, user in enumerate(task.users.tolist()):
        entries = task.histories.user_entries(user)
        seen = task.histories.items[entries]
        weights = preference_weights(task.histories.ratings[entries])
        excluded = seen
        if task.candidates is not None:
            allowed = np.zeros(task.known.n_items, np.bool_)
            allowed[task.candidates[row]] = True
            excluded = NONE_EXCLUDED
        found = model.rank(EncodedHistory(seen, weights), excluded, task.k, allowed).items
        lists[row, :len(found)] = found
    return lists


def accuracy_of(lists: Int32s, task: Task) -> tuple[Float64s, Float64s]:
    """Recall@k and NDCG@k of each user, float64 of shape (n_users,).

    NDCG = sum of 1 / log2(place + 1) over the targets listed, divided by that of a list that
    starts with min(k, targets) targets.
    """
    discounts = 1.0 / np.log2(np.arange(2, task.k + 2))
    recalls, gains = np.zeros(len(lists)), np.zeros(len(lists))
    for row, (shown, wanted) in enumerate(zip(lists, task.targets, strict=True)):
        hit = np.isin(shown, wanted)
        recalls[row] = hit.sum() / len(wanted)
        gains[row] = discounts[hit].sum() / discounts[:len(wanted)].sum()
    return recalls, gains
