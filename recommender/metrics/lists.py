"""What is in a list: how well known its films are, and how different from each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recommender.arrays import Bools, Float64s, Int64s


def novelty(shown: npt.NDArray[np.integer], taken_by: Int64s, n_users: int) -> Float64s:
    """Mean over a list of -log2 of the share of users who took the film, in bits.

    Zhou et al., Solving the apparent diversity-accuracy dilemma, PNAS 2010. A film that nobody
    took counts as taken by one user. 0 for an empty list.

    >>> novelty(np.array([[0, 1], [0, -1]]), np.array([8, 2]), 8).tolist()
    [1.0, 0.0]

    Args:
        shown: int of shape (n_lists, k), film indexes; negative is none.
        taken_by: int64 of shape (n_items,), users who took each film before.
        n_users: how many users there are.

    Returns:
        float64 of shape (n_lists,).
    """
    bits = -np.log2(np.clip(taken_by, 1, max(n_users, 1)) / max(n_users, 1)) + 0.0
    is_film = shown >= 0
    total = np.where(is_film, bits[np.where(is_film, shown, 0)], 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(is_film.sum(axis=1), 1), np.float64)


def intra_list_diversity(shown: npt.NDArray[np.integer], genres: Bools) -> Float64s:
    """1 - mean pairwise Jaccard similarity of the genres of the films of each list.

    Films of unknown genre are left out; NaN for a list with fewer than two others.

    >>> masks = np.array([[True, True, False], [False, True, False]])
    >>> intra_list_diversity(np.array([[0, 1], [0, 2]]), masks).tolist()
    [0.5, nan]

    Args:
        shown: int of shape (n_lists, k), film indexes; negative is none.
        genres: bool of shape (n_genres, n_items).

    Returns:
        float64 of shape (n_lists,).
    """
    k = shown.shape[1]
    masks = genres.T.astype(np.float64)
    sizes = masks.sum(axis=1)
    similar, pairs = np.zeros(len(shown)), np.zeros(len(shown))
    for first in range(k):
        for second in range(first + 1, k):
            one, other = shown[:, first], shown[:, second]
            both = (one >= 0) & (other >= 0) & (sizes[one] > 0) & (sizes[other] > 0)
            common = (masks[one] * masks[other]).sum(axis=1)
            together = sizes[one] + sizes[other] - common
            similar += np.where(both, common / np.maximum(together, 1.0), 0.0)
            pairs += both
    similar[pairs == 0] = np.nan
    return np.asarray(1.0 - similar / np.maximum(pairs, 1.0), np.float64)


def with_places(lists: list[list[int]], k: int) -> Int64s:
    """Film indexes of lists of at most k films: int64 of shape (n_lists, k), -1 fills up."""
    shown = np.full((len(lists), k), -1, np.int64)
    for row, items in enumerate(lists):
        shown[row, :len(items)] = items
    return shown
