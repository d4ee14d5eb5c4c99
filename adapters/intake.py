"""What callers want written to the outbox, in groups, and whether it can be written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.group_commit import GroupCommit
from adapters.outbox import Offer, offer
from recommender.errors import StoreUnavailable
from recommender.types import Acceptance, Event, Message

_PROBE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """What one caller wants written: events, or messages for topics.

    `probe` asks for a small write that adds nothing: whether the database takes one.
    """

    offers: Sequence[Offer] = ()
    messages: Sequence[Message] = ()
    probe: bool = False


class Intake:
    """The callers' side of a writer. At most `waiting_max` events wait for their transaction, but
    for one larger batch."""

    def __init__(
        self,
        commit: Callable[[Sequence[Work]], Sequence[Sequence[Acceptance]]],
        waiting_max: int,
    ) -> None:
        self._commits = GroupCommit[Work, Sequence[Acceptance]]("outbox", commit, waiting_max)
        self._next_probe_s = 0.0

    def accept(self, events: Sequence[Event]) -> list[Acceptance]:
        """As `ports.Outbox.accept`."""
        if not events:
            return []
        work = Work(offers=[offer(event) for event in events])
        return list(self._commits.submit(work, len(events)))

    def append(self, messages: Sequence[Message]) -> None:
        """Have messages for topics written.

        Raises:
            StoreUnavailable: none was.
        """
        if messages:
            self._commits.submit(Work(messages=messages), len(messages))

    def waiting(self) -> int:
        """Events and messages waiting for their transaction.

        Raises:
            StoreUnavailable: as `ports.Outbox.depth`.
        """
        failure = self._commits.failure()
        if failure is not None:
            self._probe()
            raise StoreUnavailable(failure)
        return self._commits.waiting()

    def _probe(self) -> None:
        # Nothing else may come to show that the database takes writes again. Not awaited: the
        # caller must not hang as long as the database does.
        now_s = time.monotonic()
        if now_s >= self._next_probe_s:
            self._next_probe_s = now_s + _PROBE_EVERY_S
            self._commits.submit_unawaited(Work(probe=True))

    def close(self) -> None:
        """Commit what waits, then stop."""
        self._commits.close()


def by_work(works: Sequence[Work], answers: Sequence[Acceptance]) -> list[Sequence[Acceptance]]:
    """The answers for all offers, cut into those of each work."""
    split = []
    start = 0
    for work in works:
        split.append(answers[start : start + len(work.offers)])
        start += len(work.offers)
    return split
