"""Why a film is in a list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import orjson


class ReasonKind(StrEnum):
    """What put the film there."""

    BECAUSE_YOU_RATED = "because_you_rated"
    BECAUSE_YOU_WATCHED = "because_you_watched"
    POPULAR = "popular"
    POPULAR_IN_GENRE = "popular_in_genre"
    SIMILAR_CONTENT = "similar_content"
    NEW = "new"


@dataclass(frozen=True)
class Reason:
    """A kind, and the films of the user's own history that led to it."""

    kind: ReasonKind
    item_ids: tuple[str, ...] = ()

    @cached_property
    def text(self) -> bytes:
        """As JSON; made once, since lists share reasons."""
        return orjson.dumps({"kind": self.kind, "item_ids": self.item_ids})


def reasons_of(item_ids: Iterable[str]) -> tuple[Reason, ...]:
    """Two for each film, to be shared by all lists that name it: that it was watched, or rated.

    Those of film i are number 2 i and 2 i + 1.
    """
    return tuple(Reason(kind, (item_id,)) for item_id in item_ids
                 for kind in (ReasonKind.BECAUSE_YOU_WATCHED, ReasonKind.BECAUSE_YOU_RATED))
