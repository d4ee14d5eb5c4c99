"""What a sequence model holds; each part may be empty. See `sequence_ranking` for the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.arrays import Float32s, Int32s, Int64s
from recommender.ranking import Neighbours

ALL_ALIKE: Float32s = np.zeros(0, np.float32)
"""In `HistoryIndex.given`: no entry is weighted."""


class _Frozen:
    """Arrays are not writable, after unpickling either."""

    def __post_init__(self) -> None:
        for value in self.__dict__.values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def is_finite(self) -> bool:
        """Whether all numbers are finite."""
        return all(bool(np.isfinite(value).all()) for value in self.__dict__.values()
                   if isinstance(value, np.ndarray))


@dataclass(frozen=True, eq=False)
class Blocks(_Frozen):
    """Rows of weights, a block for each decay, one after the other.

    decays: float32 of shape (n_blocks,), factor per step of age.
    starts: int64 of shape (n_blocks * n_items + 1,); row block * n_items + film.
    items, weights: int32 and float32 of shape (n_weights,); weights may be below zero.
    strongest: float32 of shape (n_blocks * n_items,), the largest weight of each row, at least 0.
    """

    decays: Float32s
    starts: Int64s
    items: Int32s
    weights: Float32s
    strongest: Float32s

    @classmethod
    def of(cls, decays: Float32s, rows: Neighbours) -> Blocks:
        """Blocks with the largest weight of each row looked up."""
        strongest = np.zeros(len(rows.starts) - 1, np.float32)
        filled = np.flatnonzero(np.diff(rows.starts))
        if len(filled):
            strongest[filled] = np.maximum.reduceat(rows.weights, rows.starts[filled])
        return cls(decays, rows.starts, rows.items, rows.weights, np.maximum(strongest, 0))

    @classmethod
    def none(cls) -> Blocks:
        """No block."""
        return cls.of(np.zeros(0, np.float32), Neighbours.empty(0))


@dataclass(frozen=True, eq=False)
class HistoryIndex(_Frozen):
    """All histories, that of the user last active first, and where each film lies in them.

    items: int32, the films of all histories. offsets: int64 of shape (n_users + 1,).
    starts: int64 of shape (n_items + 1,). users, places: int32 of shape (n_places,), for each
    place of a film whose history it is and its index into `items`.
    rarity: float32 of shape (n_items,), what a film in common counts.
    ages: float32 of shape (n_recent,), times what by its age, newest first.
    shifts: float32, times what by how many steps it lies off; the last is for all beyond.
    steps: float32 of shape (reach + 1,), what a follower counts by its distance; [0] unused.
    back: the same for films before the one in common: neighbouring steps are often swapped.
    histories: most histories that count; of equally similar ones those last active.
    power: of the similarity of a history.
    given: float32 of the shape of `items`, what each entry counts as a follower; empty: all alike.
    """

    items: Int32s
    offsets: Int64s
    starts: Int64s
    users: Int32s
    places: Int32s
    rarity: Float32s
    ages: Float32s
    shifts: Float32s
    steps: Float32s
    back: Float32s
    histories: int
    power: float
    given: Float32s

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"given": ALL_ALIKE, **state})  # files made before there were weights

    @classmethod
    def none(cls, n_items: int) -> HistoryIndex:
        """No history."""
        longs, ints, floats = np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(1, np.float32)
        return cls(ints, longs, np.zeros(n_items + 1, np.int64), ints, ints,
                   np.zeros(n_items, np.float32), floats[:0], floats, floats, floats, 1, 1.0,
                   ALL_ALIKE)


@dataclass(frozen=True, eq=False)
class Logits(_Frozen):
    """The softmax part: logit = bias + decayed sum of rows, a block for each decay.

    decays: float32 of shape (n_blocks,). rows: float32 of shape (n_blocks * n_items, n_items).
    bias: float32 of shape (n_items,).
    """

    decays: Float32s
    rows: Float32s
    bias: Float32s

    @classmethod
    def none(cls) -> Logits:
        """No logits."""
        return cls(np.zeros(0, np.float32), np.zeros((0, 0), np.float32), np.zeros(0, np.float32))


@dataclass(frozen=True, eq=False)
class ShortHistories(_Frozen):
    """How far the evidence of few films is trusted, and the factor then; see `newcomers`.

    Row n - 1 is for n films.

    factors: float32 of shape (n_short, n_items), 0 for films that nobody took.
    trusts: float32 of shape (n_short,), above 0.
    """

    factors: Float32s
    trusts: Float32s

    @classmethod
    def none(cls) -> ShortHistories:
        """A short history is like any other."""
        return cls(np.zeros((0, 0), np.float32), np.zeros(0, np.float32))
