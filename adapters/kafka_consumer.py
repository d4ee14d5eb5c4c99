"""A member of a Kafka consumer group that leaves its offsets to the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka import TopicPartition as KafkaPartition
from kafka.errors import KafkaError

from adapters.kafka_clients import KafkaAccess, reason_of
from recommender.errors import BusUnavailable
from recommender.types import Record, TopicPartition

# A wait is cut into slices, so that `wake` ends it soon. Records end it at once.
_SLICE_S = 0.1
_CLOSE_S = 2.0
_METADATA_S = 15.0
_log = structlog.get_logger()


class KafkaMember:
    """`ports.Consumer` over a KafkaConsumer, which is opened by the first `poll`.

    After a rebalance all partitions are new, also those that this member had before: in between
    others may have read them. They are paused as they come, inside the rebalance, and read after
    the caller was told (by `assignment`, or by a poll that returns nothing), so that it can seek.
    A partition that nobody seeks goes on where this member was, or starts at its first record;
    what Kafka knows as committed has no part in it. After an error the client is closed, and the
    next poll opens a new one.
    """

    def __init__(
        self, access: KafkaAccess, group: str, topics: Mapping[str, str], session_s: float = 10.0
    ) -> None:
        """`topics` are names on Kafka and what the bus calls them; a member that is silent for
        `session_s` loses its partitions to the others."""
        self._access = access
        self._group = group
        self._topics = topics
        self._session_s = session_s
        self._client: KafkaConsumer | None = None
        self._rebalances = _Rebalances()
        self._seen: frozenset[TopicPartition] = frozenset()
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._woken = threading.Event()
        self._closed = False

    def assignment(self) -> set[TopicPartition]:
        """As `ports.Consumer.assignment`; empty before the group has taken us in."""
        self._follow()
        return set(self._seen)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """As `ports.Consumer.seek`."""
        self._positions[partition] = offset
        if self._client is not None and partition in self._seen:
            self._client.seek(self._on_kafka(partition), offset)

    def position(self, partition: TopicPartition) -> int:
        """As `ports.Consumer.position`."""
        return self._positions.get(partition, 0)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """As `ports.Consumer.pause`."""
        new = set(partitions)
        self._paused |= new
        if self._client is not None:
            self._client.pause(*(self._on_kafka(p) for p in new & self._seen))

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """As `ports.Consumer.resume`."""
        ended = set(partitions)
        self._paused -= ended
        if self._client is not None:
            self._client.resume(*(self._on_kafka(p) for p in ended & self._seen))

    def wake(self) -> None:
        """As `ports.Consumer.wake`."""
        self._woken.set()

    def close(self) -> None:
        """As `ports.Consumer.close`."""
        self._closed = True
        self._woken.set()
        self._end_client()

    def poll(self, max_records: int, timeout_s: float) -> list[Record]:
        """As `ports.Consumer.poll`."""
        if self._closed:
            raise BusUnavailable("closed")
        try:
            return self._poll(self._opened(), max_records, time.monotonic() + timeout_s)
        except KafkaError as error:
            # Some errors stick to the client (a login refused once); a new one asks anew.
            self._end_client()
            raise BusUnavailable(reason_of(error)) from error

    def _poll(self, client: KafkaConsumer, max_records: int, deadline_s: float) -> list[Record]:
        while True:
            if self._follow():
                return []
            remaining_s = max(0.0, deadline_s - time.monotonic())
            slice_ms = int(1000 * min(remaining_s, _SLICE_S))
            found = client.poll(timeout_ms=slice_ms, max_records=max_records)
            records = [self._record(raw) for batch in found.values() for raw in batch]
            for record in records:
                place = TopicPartition(record.topic, record.partition)
                self._positions[place] = record.offset + 1
            if records or self._woken.is_set() or remaining_s <= 0:
                self._woken.clear()
                return records

    def _follow(self) -> bool:
        """Take over what the last rebalances brought; whether there was one."""
        owned = self._rebalances.take()
        if owned is None or self._client is None:
            return False
        self._seen = frozenset(self._place(partition) for partition in owned)
        self._paused &= self._seen
        for place in self._seen:
            partition = self._on_kafka(place)
            if place in self._positions:
                self._client.seek(partition, self._positions[place])
            else:
                self._client.seek_to_beginning(partition)
            self._client.resume(partition)
        return True

    def _opened(self) -> KafkaConsumer:
        if self._client is None:
            client = self._access.open_consumer(
                group_id=self._group, enable_auto_commit=False, auto_offset_reset="earliest",
                allow_auto_create_topics=False, session_timeout_ms=int(self._session_s * 1000),
                heartbeat_interval_ms=int(self._session_s * 100),
                metadata_max_age_ms=int(_METADATA_S * 1000),
            )
            self._rebalances = _Rebalances(client)
            self._client = client
            client.subscribe(list(self._topics), listener=self._rebalances)
            # Asked for here: an answer already under way when we subscribe passes for ours, and a
            # leader that does not know the topics hands out none of them until the next refresh.
            for name in self._topics:
                client.partitions_for_topic(name)
        return self._client

    def _end_client(self) -> None:
        client, self._client = self._client, None
        self._seen = frozenset()
        if client is not None:
            thread = threading.Thread(
                target=_end, args=(client,), name="kafka-consumer-end", daemon=True)
            thread.start()
            thread.join(2 * _CLOSE_S)

    def _on_kafka(self, partition: TopicPartition) -> KafkaPartition:
        name = next(name for name, topic in self._topics.items() if topic == partition.topic)
        return KafkaPartition(name, partition.partition)

    def _place(self, partition: KafkaPartition) -> TopicPartition:
        return TopicPartition(self._topics[partition.topic], partition.partition)

    def _record(self, raw: Any) -> Record:
        return Record(
            self._topics[raw.topic], raw.partition, raw.offset, _text(raw.key), raw.value or b"",
            max(raw.timestamp, 0),
        )


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what a rebalance brings; called inside `poll`, by the client's own thread.

    Between revocation and assignment nothing is ours, not even what will come again.
    """

    def __init__(self, client: KafkaConsumer | None = None) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._untold: frozenset[KafkaPartition] | None = None

    def on_partitions_assigned(self, assigned: Iterable[KafkaPartition]) -> None:
        with self._lock:
            self._untold = frozenset(assigned)
            if self._client is not None:
                self._client.pause(*self._untold)

    def on_partitions_revoked(self, revoked: Iterable[KafkaPartition]) -> None:
        # Nothing to flush: offsets are stored with the events.
        with self._lock:
            self._untold = frozenset()

    on_partitions_lost = on_partitions_revoked

    def take(self) -> frozenset[KafkaPartition] | None:
        """What is ours since the last rebalance, None when that was told before."""
        with self._lock:
            untold, self._untold = self._untold, None
            return untold


def _text(key: bytes | None) -> str | None:
    # Producers of others put what they like there; a database takes neither NUL nor long keys.
    return None if key is None else key.decode(errors="replace").replace("\0", "\ufffd")[:256]


def _end(client: KafkaConsumer) -> None:
    try:
        client.close(timeout_ms=int(_CLOSE_S * 1000))
    except KafkaError as error:
        _log.info("kafka_consumer_left_without_word", error=reason_of(error))
