"""Puts the events of dead letters back on their topics, for ingest to take as any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recommender.errors import NotFound
from recommender.ports import AuditLog, EventBus, EventReview
from recommender.requeue import Requeued, requeue_messages
from recommender.review import LetterFilter, LetterState
from recommender.types import AuditEntry

AT_ONCE_MAX = 1_000
_BATCH = 200
_NUMBERS_SHOWN = 20


class Requeuer:
    """First published, then marked: a crash in between offers a letter again, and its event, which
    is known by its id, changes nothing when it comes twice.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(
        self, review: EventReview, bus: EventBus, audit: AuditLog, clock: Callable[[], int]
    ) -> None:
        self._review = review
        self._bus = bus
        self._audit = audit
        self._clock = clock

    def one(self, sequence: int, actor: str) -> Requeued:
        """Put the event of this letter back, also when that was done before.

        Raises:
            NotFound: no such letter.
            BusUnavailable: nothing is known to be published.
            StoreUnavailable: the letter cannot be read or marked.
        """
        if not self._review.letters_numbered([sequence]):
            raise NotFound(f"there is no dead letter {sequence}")
        return self._audited([sequence], actor, f"letter {sequence}")

    def matching(self, text: str, actor: str) -> Requeued:
        """Put back the open letters with this text, newest first, at most 1,000 of them.

        Raises: as `one`, less NotFound.
        """
        wanted = LetterFilter(text, LetterState.OPEN)
        page = self._review.letters(wanted, limit=AT_ONCE_MAX)
        numbers = [stored.sequence for stored in page.entries]
        done = self._audited(numbers, actor, f"open letters with {text!r}" if text else
                             "all open letters")  # fmt: skip
        return Requeued(done.published, done.refused, page.older is not None)

    def _audited(self, numbers: Sequence[int], actor: str, target: str) -> Requeued:
        published: list[int] = []
        refused: dict[int, str] = {}
        outcome = "failed"
        try:
            for start in range(0, len(numbers), _BATCH):
                self._put_back(numbers[start : start + _BATCH], actor, published, refused)
            outcome = "done" if published else "refused" if refused else "nothing"
        finally:
            shown = ", ".join(map(str, published[:_NUMBERS_SHOWN]))
            more = ", ..." if len(published) > _NUMBERS_SHOWN else ""
            detail = f"{len(published)} put back, {len(refused)} not acceptable"
            self._audit.append(AuditEntry(
                self._clock(), actor, "dead_letter_requeue", target[:200], outcome,
                f"{detail}: {shown}{more}" if published else detail,
            ))  # fmt: skip
        return Requeued(tuple(published), refused)

    def _put_back(
        self, numbers: Sequence[int], actor: str, published: list[int], refused: dict[int, str]
    ) -> None:
        letters = self._review.letters_numbered(numbers)
        messages, reasons = requeue_messages(letters, self._clock())
        refused.update(reasons)
        if messages:
            self._bus.publish(list(messages.values()))
            published.extend(messages)
            self._review.mark_requeued(list(messages), self._clock(), actor)
