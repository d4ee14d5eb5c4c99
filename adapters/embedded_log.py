"""The embedded bus: one table is the outbox and the log, read in place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from adapters.embedded_consumer import EmbeddedConsumer, Groups, LogReader
from adapters.group_commit import GroupCommit
from adapters.log_writer import LogWriter, Work
from adapters.outbox import offer
from recommender.errors import BusUnavailable, StoreUnavailable
from recommender.ports import Consumer
from recommender.types import Acceptance, Event, Message, TopicPartition

_PROBE_EVERY_S = 1.0


class EmbeddedLog:
    """`ports.Outbox` and `ports.EventBus` over the table `outbox`.

    Consumer groups live in the memory of this process; after a restart positions come from
    `seek`. One process at a time should own a log. Should two overlap (a restart), nothing is
    lost: the unique keys make the later writer number its rows anew, and consumers find the rows
    of the other when their wait ends.
    """

    def __init__(
        self,
        engine: Engine,
        partitions: int,
        waiting_max: int = 20_000,
        ratings_per_hour: int | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """New records go to `partitions` partitions of their topic; those that the log has above
        them (it was written with more) are still read. At most `waiting_max` events wait for
        their transaction, but for one larger batch.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        self._reader = LogReader(engine)
        self._writer = LogWriter(
            engine, partitions, ratings_per_hour, clock_ms, self._reader.appended
        )
        self._groups = Groups(self._writer.partitions_of, self._reader)
        self._commits = GroupCommit[Work, Sequence[Acceptance]](
            "outbox", self._writer.commit, waiting_max
        )
        self._next_probe_s = 0.0

    @property
    def cluster_id(self) -> str:
        """Names this log, also after a restart; another log has another."""
        return self._writer.cluster_id

    def accept(self, events: Sequence[Event]) -> list[Acceptance]:
        """As `ports.Outbox.accept`."""
        if not events:
            return []
        work = Work(offers=[offer(event) for event in events])
        return list(self._commits.submit(work, len(events)))

    def depth(self) -> int:
        """As `ports.Outbox.depth`; the log is read in place, nothing is relayed."""
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

    def publish(self, messages: Sequence[Message]) -> None:
        """As `ports.EventBus.publish`."""
        if not messages:
            return
        try:
            self._commits.submit(Work(messages=messages), len(messages))
        except StoreUnavailable as error:
            raise BusUnavailable(str(error)) from error

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        """As `ports.EventBus.consumer`."""
        return EmbeddedConsumer(self._reader, self._groups, group, topics)

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """As `ports.EventBus.end_offsets`."""
        return {
            TopicPartition(topic, p): self._writer.end_offset(topic, p)
            for topic in topics
            for p in range(self._writer.partitions_of(topic))
        }

    def reachable(self) -> bool:
        """Whether the database answers."""
        return self._reader.reachable()

    def close(self) -> None:
        """Commit what waits and stop; waiting polls return."""
        self._commits.close()
        self._writer.close()
        self._reader.close()
