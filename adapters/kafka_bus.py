"""Apache Kafka as the bus: `ports.EventBus`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kafka import KafkaAdminClient
from kafka import TopicPartition as KafkaPartition
from kafka.admin import OffsetSpec
from kafka.errors import (
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    KafkaError,
    for_code,
)

from adapters.kafka_clients import KafkaAccess, reason_of
from adapters.kafka_consumer import KafkaMember
from adapters.kafka_producer import KafkaPublisher
from adapters.kafka_rights import READ, RIGHTS
from adapters.kafka_topics import TopicNames
from recommender.errors import BusUnavailable
from recommender.ports import Consumer
from recommender.topics import EVENT_TOPICS, dead_letter_topic
from recommender.types import Message, TopicPartition

Answer = TypeVar("Answer")
_NEEDED = {topic: RIGHTS[topic] for events in EVENT_TOPICS
           for topic in (events, dead_letter_topic(events))}
"""What events need. Who may not write the other topics is told of by what writes them."""
GROUPS = ("ingest",)


class KafkaBus:
    """Topics, partitions and groups of a Kafka cluster. Nothing is opened before it is needed.

    Consumer groups are called `<group prefix>.<group>` on Kafka. Thread-safe, but for the
    consumers it gives out.
    """

    def __init__(
        self, access: KafkaAccess, names: TopicNames, publisher: KafkaPublisher,
        group_prefix: str = "fairreel", groups: Sequence[str] = GROUPS,
    ) -> None:
        """`groups` are those that `problem` asks whether we may join."""
        self._access = access
        self._names = names
        self._publisher = publisher
        self._group_prefix = group_prefix
        self._groups = groups
        self._lock = threading.Lock()
        self._admin: KafkaAdminClient | None = None
        self._cluster_id: str | None = None
        self._closed = False

    @property
    def cluster_id(self) -> str:
        """As `ports.EventBus.cluster_id`."""
        if self._cluster_id is None:
            found = self._ask(lambda admin: admin.describe_cluster()["cluster_id"])
            self._cluster_id = str(found)
        return self._cluster_id

    def publish(self, messages: Sequence[Message]) -> None:
        """As `ports.EventBus.publish`."""
        self._publisher.publish(messages)

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        """As `ports.EventBus.consumer`; it joins with its first poll."""
        named = {self._names.on_kafka(topic): topic for topic in topics}
        return KafkaMember(self._access, self._on_kafka(group), named)

    def end_offsets(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        """As `ports.EventBus.end_offsets`.

        Raises:
            BusUnavailable: no answer, or a topic is not there.
        """
        named = {self._names.on_kafka(topic): topic for topic in topics}

        def ask(admin: KafkaAdminClient) -> dict[TopicPartition, int]:
            places = {}
            for found in admin.describe_topics(list(named)):
                if found["error_code"]:
                    raise BusUnavailable(f"topic {found['name']}: {_said(found['error_code'])}")
                for partition in found["partitions"]:
                    at = KafkaPartition(found["name"], partition["partition_index"])
                    places[at] = OffsetSpec.LATEST
            ends = admin.list_partition_offsets(places)
            return {
                TopicPartition(named[p.topic], p.partition): end.offset for p, end in ends.items()
            }

        return self._ask(ask)

    def problem(self) -> str | None:
        """As `ports.EventBus.problem`: reachable, topics there, and allowed to use them.

        Asked of the brokers themselves: a consumer that may not read gets no error, only nothing.
        """
        try:
            found = self._ask(self._problems)
        except BusUnavailable as error:
            return str(error)
        failure = self._publisher.failure()
        if failure is not None and not found:
            found = [f"publishing fails: {failure}"]
        return "; ".join(found) or None

    def close(self) -> None:
        """Let go of all connections; consumers are closed by who uses them."""
        self._closed = True
        self._publisher.close()
        with self._lock:
            self._drop_admin()

    def _problems(self, admin: KafkaAdminClient) -> list[str]:
        needed = {self._names.on_kafka(topic): rights for topic, rights in _NEEDED.items()}
        found = []
        for topic in admin.describe_topics(list(needed)):
            name, code = topic["name"], topic["error_code"]
            if code:
                found.append(f"topic {name}: {_said(code)}")
                continue
            allowed = topic["authorized_operations"] or ()
            missing = [right for right in needed[name] if right not in allowed]
            if missing:
                found.append(f"topic {name}: not allowed to {' and '.join(missing)}")
        return found + [text for group in self._groups for text in self._group(admin, group)]

    def _group(self, admin: KafkaAdminClient, group: str) -> list[str]:
        name = self._on_kafka(group)
        try:
            described: dict[str, Any] = admin.describe_groups(
                [name], include_authorized_operations=True)[name]
        except CoordinatorNotAvailableError:
            return []  # the cluster's first use of groups: it is making their topic
        except GroupAuthorizationFailedError:
            return [f"group {name}: not allowed to READ"]
        allowed = described.get("authorized_operations")
        refused = allowed is not None and READ not in allowed
        return [f"group {name}: not allowed to READ"] if refused else []

    def _ask(self, question: Callable[[KafkaAdminClient], Answer]) -> Answer:
        with self._lock:
            if self._closed:
                raise BusUnavailable("closed")
            if self._admin is None:
                self._admin = self._access.open_admin()
            try:
                return question(self._admin)
            except KafkaError as error:
                # A new client asks the bootstrap servers again: the cluster may have moved.
                self._drop_admin()
                raise BusUnavailable(reason_of(error)) from error

    def _drop_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def _on_kafka(self, group: str) -> str:
        return group_on_kafka(self._group_prefix, group)


def group_on_kafka(prefix: str, group: str) -> str:
    """What a consumer group of the bus is called on Kafka."""
    return f"{prefix}.{group}"


def _said(code: int) -> str:
    kind: str = for_code(code).__name__
    if kind == "UnknownTopicOrPartitionError":
        return "does not exist; `fairreel kafka-setup` creates it"
    if kind == "TopicAuthorizationFailedError":
        return "does not exist, or not allowed to DESCRIBE"
    return kind
