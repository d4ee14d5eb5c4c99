"""Which settings of a model a search tries: drawn at random, or thinned out by successive halving.

Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization,
AISTATS 2016. All is drawn from a seed, so that a search that was cut goes on as if it had not been.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from recommender.errors import InvalidField
from recommender.interactions import Interactions
from recommender.models.model import ModelSpec, SearchRange

ETA = 3
"""Each rung keeps one in this many, on this many times the people."""
SMALLEST_SHARE = 1 / 9


class SearchMethod(StrEnum):
    """How the trials are chosen."""

    RANDOM = "random"
    HALVING = "halving"


@dataclass(frozen=True, slots=True)
class Rung:
    """`count` settings, fitted and judged on that share of the people."""

    share: float
    count: int


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting tried. number: 0 are the defaults. ndcg, coverage: on validation."""

    rung: int
    number: int
    overrides: Mapping[str, Any]
    ndcg: float
    coverage: float


def settings_to_try(spec: ModelSpec[Any], count: int, seed: int) -> list[dict[str, float | int]]:
    """The defaults, then `count` - 1 settings drawn from the declared ranges.

    Raises:
        InvalidField: the model declares no range.
    """
    space = spec.search_space()
    if not space:
        raise InvalidField("model", f"{spec.name} declares no range to search")
    defaults = spec.hyperparameters({})
    random = np.random.default_rng(seed)
    drawn = [{name: _draw(random, found, isinstance(defaults[name], int))
              for name, found in space.items()} for _ in range(count - 1)]
    return [{}, *drawn]


def rungs(method: SearchMethod, count: int) -> list[Rung]:
    """What is tried on how many people; the last rung is always on all of them."""
    if method is SearchMethod.RANDOM:
        return [Rung(1.0, count)]
    found, share = [], SMALLEST_SHARE
    while share < 1.0 - 1e-9 and count > 1:
        found.append(Rung(share, count))
        count, share = math.ceil(count / ETA), share * ETA
    return [*found, Rung(1.0, count)]


def best_first(trials: Sequence[Trial], least_coverage: float = 0.0) -> list[Trial]:
    """By NDCG; those below the coverage asked for come after all others, by coverage."""
    def worth(trial: Trial) -> tuple[bool, float, int]:
        enough = trial.coverage >= least_coverage
        return not enough, -(trial.ndcg if enough else trial.coverage), trial.number
    return sorted(trials, key=worth)


def share_of_users(interactions: Interactions, share: float, seed: int) -> Interactions:
    """The entries of a share of the users; a larger share holds all of a smaller one.

    Their number is as if all others had done nothing: same users and films, no entries of theirs.
    """
    if share >= 1.0:
        return interactions
    order = np.random.default_rng(seed).permutation(interactions.n_users)
    kept = np.zeros(interactions.n_users, np.bool_)
    kept[order[:max(1, round(share * interactions.n_users))]] = True
    return interactions.select(kept[interactions.entry_users()])


def fingerprint(interactions: Interactions) -> str:
    """A hash of the data, so that trials on other data are not taken for trials on these."""
    digest = hashlib.sha256("\0".join(interactions.item_ids).encode())
    for array in (interactions.user_offsets, interactions.items, interactions.timestamps,
                  interactions.ratings):
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"sha256:{digest.hexdigest()}"


def _draw(random: np.random.Generator, found: SearchRange, whole: bool) -> float | int:
    if found.log:
        value = math.exp(random.uniform(math.log(found.low), math.log(found.high)))
    else:
        value = random.uniform(found.low, found.high)
    return round(value) if whole else round(value, 4)
