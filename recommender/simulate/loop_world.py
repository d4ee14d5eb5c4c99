"""A world for feedback loops: tastes are known, so it can be told what a list was really worth.

Everybody's true utility of every film is known and never changes. What people take depends on it,
and more or less on fame: how often a film was taken so far. That is the popularity bias; its three
strengths are `WORLDS`, fixed before any mitigation was run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommender.arrays import Bools, Float64s, Int64s

GENRES = 12
_GENRES_OF_A_FILM = (0.5, 0.35, 0.15)  # probability of one, two, three
_TASTE, _QUALITY, _OWN = 1.0, 0.6, 0.5


@dataclass(frozen=True, slots=True)
class LoopWorld:
    """The parameters of a world.

    fame_power: power of a film's fame that multiplies its chance to be taken; 0: no popularity
    bias. fame_start: Zipf exponent of the fame before anything was taken, by a rank that has
    nothing to do with quality. sharpness: how much utility decides (inverse temperature).
    organic: share of films that people find without the recommender. begun_with: films of each
    person before the first list. rounds: retrains; in each round everybody gets a list of k and
    takes one film.
    """

    name: str
    fame_power: float
    fame_start: float
    people: int = 250
    films: int = 400
    sharpness: float = 5.0
    organic: float = 0.2
    begun_with: int = 12
    rounds: int = 15
    k: int = 10


WORLDS = {
    world.name: world
    for world in (
        LoopWorld("none", fame_power=0.0, fame_start=0.0),
        LoopWorld("mild", fame_power=0.5, fame_start=0.8),
        LoopWorld("strong", fame_power=1.0, fame_start=1.0),
    )
}
"""Written down before the first run with a mitigation, and not changed since."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What nobody in the world knows.

    utility: float64 of shape (people, films), in (0, 1). genre_masks: bool of shape
    (GENRES, films). fame: float64 of shape (films,), mean 1, before anything was taken.
    """

    utility: Float64s
    genre_masks: Bools
    fame: Float64s


def draw_truth(world: LoopWorld, random: np.random.Generator) -> Truth:
    """Tastes and films of one seed.

    utility = sigmoid(z), z the sum of a person's taste for the film's genres, the film's quality
    and a liking of one's own, each of mean 0, weighed 1 : 0.6 : 0.5 in standard deviations.
    """
    n, m = world.people, world.films
    masks = np.zeros((GENRES, m), np.bool_)
    for film in range(m):
        count = int(random.choice(3, p=_GENRES_OF_A_FILM)) + 1
        masks[random.choice(GENRES, count, replace=False), film] = True
    likes = random.standard_normal((n, GENRES))
    taste = likes @ (masks / masks.sum(axis=0))
    quality = random.standard_normal(m)
    own = random.standard_normal((n, m))
    z = _TASTE * taste / taste.std() + _QUALITY * quality + _OWN * own
    fame = (1.0 + random.permutation(m)) ** -world.fame_start
    return Truth(1.0 / (1.0 + np.exp(-z)), masks, fame / fame.mean())


def fame_now(world: LoopWorld, truth: Truth, taken: Int64s) -> Float64s:
    """Fame of each film by the counts of who took it, of shape (films,), mean 1.

    The starting fame counts as much as one film of everybody.
    """
    fame: Float64s = truth.fame * world.people / world.films + taken
    even: Float64s = fame / fame.mean()
    return even


def attraction(world: LoopWorld, truth: Truth, fame: Float64s) -> Float64s:
    """How strongly each film attracts each person: exp(sharpness u) fame^power, (people, films)."""
    drawn: Float64s = np.exp(world.sharpness * truth.utility) * fame**world.fame_power
    return drawn


def choose(weights: Float64s, uniforms: Float64s) -> Int64s:
    """One column for each row, in proportion to its weights; int64 of shape (rows,)."""
    upto = np.cumsum(weights, axis=1)
    at = (uniforms * upto[:, -1])[:, None]
    columns: Int64s = np.minimum((upto <= at).sum(axis=1), weights.shape[1] - 1)
    return columns


def examination(k: int) -> Float64s:
    """How likely each rank is looked at, 1 / log2(rank + 1), of shape (k,)."""
    looked: Float64s = 1.0 / np.log2(np.arange(2, k + 2))
    return looked
