"""The embedded bus: one table is the outbox and the log, read in place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from adapters.embedded_consumer import EmbeddedConsumer, Groups, LogReader
from adapters.intake import Intake
from adapters.log_writer import LogWriter
from recommender.errors import BusUnavailable, StoreUnavailable
from recommender.ports import Consumer
from recommender.types import Acceptance, Event, Message, TopicPartition


class EmbeddedLog:
    """`ports.Outbox` and `ports.EventBus` over the table `outbox`.

    Consumer groups live in the memory of this process; after a restart positions come from
    `seek`. One process at a time owns a log. On PostgreSQL a second one waits for the first to
    end, then gives up. Should two overlap on SQLite (a restart), nothing is lost: the unique keys
    make the later writer number its rows anew, and consumers find the rows of the other when
    their wait ends.
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
            StoreUnavailable: the database does not answer, or another process owns the log.
        """
        self._reader = LogReader(engine)
        self._writer = LogWriter(
            engine, partitions, ratings_per_hour, clock_ms, self._reader.appended
        )
        self._groups = Groups(self._writer.partitions_of, self._reader)
        self._intake = Intake(self._writer.commit, waiting_max)

    @property
    def cluster_id(self) -> str:
        """Names this log, also after a restart; another log has another."""
        return self._writer.cluster_id

    def accept(self, events: Sequence[Event]) -> list[Acceptance]:
        """As `ports.Outbox.accept`."""
        return self._intake.accept(events)

    def depth(self) -> int:
        """As `ports.Outbox.depth`; the log is read in place, nothing is relayed."""
        return self._intake.waiting()

    def publish(self, messages: Sequence[Message]) -> None:
        """As `ports.EventBus.publish`."""
        try:
            self._intake.append(messages)
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

    def problem(self) -> str | None:
        """As `ports.EventBus.problem`: whether the database answers."""
        return None if self._reader.reachable() else "the database of the log does not answer"

    def close(self) -> None:
        """Commit what waits and stop; waiting polls return."""
        self._intake.close()
        self._writer.close()
        self._reader.close()
