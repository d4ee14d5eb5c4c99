"""Invented people: who they are and which clusters of films they like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.simulate.catalogue import CLUSTERS
from recommender.types import Person

OCCUPATIONS = (
    "academic", "administrator", "artist", "clerk", "craftsman", "doctor", "driver", "engineer",
    "executive", "farmer", "homemaker", "lawyer", "librarian", "nurse", "programmer", "retired",
    "sales", "scientist", "student", "teacher", "technician", "unemployed", "writer",
)  # fmt: skip
_NOT_TOLD = 0.04
_LIKED_CLUSTERS = 3


@dataclass(frozen=True, slots=True)
class Crowd:
    """People and their hidden tastes.

    `tastes` of shape (n_users, n_clusters), rows sum to 1: how often a person picks from a
    cluster. `leniency` (n_users,): rating steps above or below the mean. `activity` (n_users,),
    sums to 1: share of all picks. `joined` (n_users,) in [0, 1): when, in the span of time.
    """

    people: tuple[Person, ...]
    tastes: NDArray[np.float64]
    leniency: NDArray[np.float64]
    activity: NDArray[np.float64]
    joined: NDArray[np.float64]


def simulate_people(n_users: int, random: np.random.Generator) -> Crowd:
    """`n_users` people with two or three liked clusters each and very unequal activity."""
    n_clusters = len(CLUSTERS)
    general = random.dirichlet(np.full(n_clusters, 4.0))
    liked = np.argsort(random.random((n_users, n_clusters)), axis=1)[:, :_LIKED_CLUSTERS]
    tastes = np.zeros((n_users, n_clusters))
    np.put_along_axis(tastes, liked, random.dirichlet(np.array([3.0, 2.0, 1.0]), n_users), axis=1)
    tastes = 0.88 * tastes + 0.12 * general

    activity = random.lognormal(0.0, 0.8, n_users)
    # Most are there from the start, the rest join along the way.
    joined = np.where(random.random(n_users) < 0.4, 0.0, 0.9 * random.random(n_users) ** 1.5)
    return Crowd(
        people=_demographics(n_users, random),
        tastes=tastes,
        leniency=0.35 * random.standard_normal(n_users),
        activity=activity / activity.sum(),
        joined=joined,
    )


def _demographics(n_users: int, random: np.random.Generator) -> tuple[Person, ...]:
    told = random.random((n_users, 3)) >= _NOT_TOLD
    women = random.random(n_users) < 0.45
    ages = np.clip(16 + random.gamma(2.6, 8.0, n_users), 16, 88).astype(int)
    jobs = random.integers(len(OCCUPATIONS), size=n_users)
    return tuple(
        Person(
            user_id=f"u{row + 1}",
            gender=("F" if women[row] else "M") if told[row, 0] else None,
            age=int(ages[row]) if told[row, 1] else None,
            occupation=OCCUPATIONS[jobs[row]] if told[row, 2] else None,
        )
        for row in range(n_users)
    )
