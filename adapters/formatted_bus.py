"""A bus whose values are encoded on their way out and decoded on their way in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from recommender.errors import BusUnavailable
from recommender.ports import Consumer, EventBus
from recommender.types import Message, Record, TopicPartition

Format = Callable[[str, bytes], bytes]
"""(topic, value) -> value; may raise BusUnavailable."""


class FormattedBus:
    """`ports.EventBus` over another one."""

    def __init__(self, bus: EventBus, to_wire: Format, from_wire: Format) -> None:
        self._bus = bus
        self._to_wire = to_wire
        self._from_wire = from_wire
        self._failure: str | None = None

    @property
    def cluster_id(self) -> str:
        """As `ports.EventBus.cluster_id`."""
        return self._bus.cluster_id

    def publish(self, messages: Sequence[Message]) -> None:
        """As `ports.EventBus.publish`."""
        try:
            encoded = [replace(m, value=self._to_wire(m.topic, m.value)) for m in messages]
        except BusUnavailable as error:
            self._failure = str(error)
            raise
        self._failure = None
        self._bus.publish(encoded)

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        """As `ports.EventBus.consumer`."""
        return _FormattedConsumer(self._bus.consumer(group, topics), self._from_wire)

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """As `ports.EventBus.end_offsets`."""
        return self._bus.end_offsets(topics)

    def problem(self) -> str | None:
        """As `ports.EventBus.problem`, or why the last values could not be encoded."""
        return self._bus.problem() or self._failure

    def close(self) -> None:
        """As `ports.EventBus.close`."""
        self._bus.close()


class _FormattedConsumer:
    """`ports.Consumer` over another one."""

    def __init__(self, consumer: Consumer, from_wire: Format) -> None:
        self._consumer = consumer
        self._from_wire = from_wire

    def poll(self, max_records: int, timeout_s: float) -> list[Record]:
        records = self._consumer.poll(max_records, timeout_s)
        try:
            return [replace(r, value=self._from_wire(r.topic, r.value)) for r in records]
        except BusUnavailable:
            # They were read and not given: read them again.
            for record in reversed(records):
                self._consumer.seek(TopicPartition(record.topic, record.partition), record.offset)
            raise

    def assignment(self) -> set[TopicPartition]:
        return self._consumer.assignment()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._consumer.seek(partition, offset)

    def position(self, partition: TopicPartition) -> int:
        return self._consumer.position(partition)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._consumer.pause(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._consumer.resume(partitions)

    def wake(self) -> None:
        self._consumer.wake()

    def close(self) -> None:
        self._consumer.close()
