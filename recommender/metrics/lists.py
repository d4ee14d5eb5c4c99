"""What is in a list: how well known its films are, and how different from each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recommender.arrays import Bools, Float64s, Int64s

_NUMBERS_AT_ONCE = 2_000_000


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
    # One film more, of no genre: what an index of -1 points at.
    films = np.vstack((genres.T, np.zeros((1, len(genres)), np.bool_))).astype(np.float32)
    places = np.maximum(shown, -1)
    step = max(1, _NUMBERS_AT_ONCE // max(shown.shape[1] * (len(genres) + shown.shape[1]), 1))
    parts = [_diversity(films[places[at : at + step]]) for at in range(0, len(shown), step)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _diversity(films: npt.NDArray[np.float32]) -> Float64s:
    """films: of shape (n_lists, k, n_genres), 1 where the film has the genre."""
    both = np.matmul(films, films.transpose(0, 2, 1)).astype(np.float64)
    sizes = films.sum(axis=2, dtype=np.float64)
    known = sizes > 0
    either = sizes[:, :, None] + sizes[:, None, :] - both
    jaccard = np.divide(both, either, out=np.zeros_like(both),
                        where=known[:, :, None] & known[:, None, :])
    n_known = known.sum(axis=1)
    pairs = n_known * (n_known - 1)  # ordered ones; each film with itself gives 1
    found = np.full(len(films), np.nan)
    some = pairs > 0
    found[some] = 1.0 - (jaccard.sum(axis=(1, 2)) - n_known)[some] / pairs[some]
    return found


def with_places(lists: list[list[int]], k: int) -> Int64s:
    """Film indexes of lists of at most k films: int64 of shape (n_lists, k), -1 fills up."""
    shown = np.full((len(lists), k), -1, np.int64)
    for row, items in enumerate(lists):
        shown[row, :len(items)] = items
    return shown
