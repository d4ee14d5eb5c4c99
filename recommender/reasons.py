"""Why a film is in a list."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import orjson


class ReasonKind(StrEnum):
    """What put the film there."""

    BECAUSE_YOU_RATED = "because_you_rated"
    BECAUSE_YOU_WATCHED = "because_you_watched"
    POPULAR = "popular"
    POPULAR_IN_GENRE = "popular_in_genre"
    SIMILAR_CONTENT = "similar_content"
    NEW = "new"


class Reason:
    """A kind, and the films of the user's own history that led to it. Immutable.

    `text` is the reason as JSON; it is made once, since lists share reasons.
    """

    __slots__ = ("item_ids", "kind", "text")
    text: bytes

    def __init__(self, kind: ReasonKind, item_ids: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.item_ids = item_ids

    def __getattr__(self, name: str) -> bytes:
        # Reached once a reason, for the text that is not there yet: later looks cost no call.
        if name != "text":
            raise AttributeError(name)
        self.text = orjson.dumps({"kind": self.kind, "item_ids": self.item_ids})
        return self.text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reason):
            return NotImplemented
        return (self.kind, self.item_ids) == (other.kind, other.item_ids)

    def __hash__(self) -> int:
        return hash((self.kind, self.item_ids))

    def __repr__(self) -> str:
        return f"Reason({self.kind!r}, {self.item_ids!r})"


def reasons_of(item_ids: Iterable[str]) -> tuple[Reason, ...]:
    """Two for each film, to be shared by all lists that name it: that it was watched, or rated.

    Those of film i are number 2 i and 2 i + 1.
    """
    return tuple(Reason(kind, (item_id,)) for item_id in item_ids
                 for kind in (ReasonKind.BECAUSE_YOU_WATCHED, ReasonKind.BECAUSE_YOU_RATED))
