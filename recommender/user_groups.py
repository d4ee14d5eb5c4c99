"""Groups of users whose lists are compared: by activity, by what is known of them, by taste."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from recommender.arrays import Bools, Int64s
from recommender.split import Split
from recommender.types import Person

MEDIUM_FROM, HIGH_ABOVE = 10, 30
"""Activity by films in the history: low below 10, medium 10 to 30, high above."""
AGE_BANDS = ((0, 17), (18, 24), (25, 34), (35, 49), (50, 150))


def user_groups(split: Split, people: Iterable[Person], genres: tuple[str, ...],
                genre_masks: Bools) -> dict[str, Bools]:
    """Who of the users of a split belongs to each group; empty groups are left out.

    Args:
        people: what is known of users; those who are not among them are in no such group.
        genres: n_genres names.
        genre_masks: bool of shape (n_genres, n_items).

    Returns:
        By name, such as `activity low` or `gender F`: bool of shape (n,), n users of the split.
    """
    ids = split.training.user_ids
    names = [ids[user] for user in split.users.tolist()]
    found = activity_groups(np.diff(split.histories.user_offsets)[split.users])
    found |= demographic_groups(names, {person.user_id: person for person in people})
    found |= favourite_genre_groups(split, genres, genre_masks)
    return {name: members for name, members in found.items() if members.any()}


def activity_groups(lengths: Int64s) -> dict[str, Bools]:
    """By the number of films in each history: int64 of shape (n,)."""
    return {
        "activity low": lengths < MEDIUM_FROM,
        "activity medium": (lengths >= MEDIUM_FROM) & (lengths <= HIGH_ABOVE),
        "activity high": lengths > HIGH_ABOVE,
    }


def demographic_groups(user_ids: Sequence[str],
                       people: Mapping[str, Person]) -> dict[str, Bools]:
    """By gender, age band and occupation, where an import told; `people` are by user id."""
    found: dict[str, Bools] = {}
    for row, user_id in enumerate(user_ids if people else ()):
        person = people.get(user_id)
        for name in _labels(person) if person else ():
            found.setdefault(name, np.zeros(len(user_ids), np.bool_))[row] = True
    return dict(sorted(found.items()))


def favourite_genre_groups(split: Split, genres: tuple[str, ...],
                           genre_masks: Bools) -> dict[str, Bools]:
    """By the genre that most films of the history have; of equal ones the first by name."""
    if not genres or not len(split.users):
        return {}
    histories = split.histories
    counts = np.zeros((histories.n_users, len(genres)), np.int64)
    owners = histories.entry_users()
    for genre in range(len(genres)):
        counts[:, genre] = np.bincount(
            owners, genre_masks[genre, histories.items], minlength=histories.n_users)
    own = counts[split.users]
    favourite = np.where(own.any(axis=1), own.argmax(axis=1), -1)
    return {f"favourite genre {name}": favourite == row for row, name in enumerate(genres)}


def _labels(person: Person) -> list[str]:
    found = [f"gender {person.gender}"] if person.gender else []
    if person.age is not None:
        found += [f"age {low}-{high}" for low, high in AGE_BANDS if low <= person.age <= high]
    return found + ([f"occupation {person.occupation}"] if person.occupation else [])
