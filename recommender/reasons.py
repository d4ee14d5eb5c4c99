"""Why a film is in a list."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class ReasonKind(StrEnum):
    """What put the film there."""

    BECAUSE_YOU_RATED = "because_you_rated"
    BECAUSE_YOU_WATCHED = "because_you_watched"
    POPULAR = "popular"
    POPULAR_IN_GENRE = "popular_in_genre"
    SIMILAR_CONTENT = "similar_content"
    NEW = "new"

    # Enum's own is a Python function, and a reason is looked up for each film shown.
    __hash__ = str.__hash__


class Reason(NamedTuple):
    """A kind, and the films of the user's own history that led to it."""

    kind: ReasonKind
    item_ids: tuple[str, ...] = ()


def reasons_of(kind: ReasonKind, item_ids: Iterable[str]) -> tuple[Reason, ...]:
    """One reason for each film, to be shared by all lists that name it."""
    return tuple(Reason(kind, (item_id,)) for item_id in item_ids)
