"""Looking through what was applied and what was set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from recommender.review import AppliedEvent, EventFilter, LetterFilter, Page, StoredLetter

REACH = 200_000
"""Applied events that one call looks at: it stays fast however many there are."""


class EventReview(Protocol):
    """The event store as people search it; newest first."""

    def events(
        self, wanted: EventFilter, before: int | None = None, limit: int = 50, reach: int = REACH
    ) -> Page[AppliedEvent]:
        """Applied events below the number `before`, looked for among the next `reach` numbers.

        A page may be short, even empty, and still tell where to go on.
        """
        ...

    def letters(
        self, wanted: LetterFilter, before: int | None = None, limit: int = 50
    ) -> Page[StoredLetter]:
        """Dead letters with the beginning of their values."""
        ...

    def letters_numbered(self, sequences: Sequence[int]) -> list[StoredLetter]:
        """The letters of these numbers with all of their values; those unknown are left out."""
        ...

    def count_letters(self, wanted: LetterFilter) -> int:
        """How many there are."""
        ...

    def mark_requeued(self, sequences: Sequence[int], at_ms: int, actor: str) -> int:
        """Note that they were put back on their topics; how many were marked."""
        ...
