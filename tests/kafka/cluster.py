"""Buses and topics on the test broker, apart from those of other tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adapters.kafka_bus import KafkaBus
from adapters.kafka_clients import KafkaAccess
from adapters.kafka_producer import KafkaPublisher
from adapters.kafka_topics import TopicNames, TopicPlan, all_topics, set_up_topics
from recommender.circuit_breaker import CircuitBreaker
from tests.kafka.broker import Broker

PARTITIONS = 3


class Namespace:
    """Topics of their own prefix on the broker, and buses over them; closes what it opened."""

    def __init__(self, broker: Broker, partitions: int = PARTITIONS) -> None:
        self.broker = broker
        self.prefix = f"{uuid.uuid4().hex[:8]}-"
        self.names = TopicNames(self.prefix)
        self.plan = TopicPlan(partitions)
        self._buses: list[KafkaBus] = []

    def set_up(self) -> None:
        """Create all topics."""
        admin = self.access().open_admin()
        set_up_topics(admin, map(self.names.on_kafka, all_topics()), self.plan)
        admin.close()

    def access(self, **changes: Any) -> KafkaAccess:
        """The operator's, unless changed."""
        return KafkaAccess(**{
            "bootstrap_servers": (self.broker.address,), "connect_s": 2.0, "request_s": 4.0,
            **changes})

    def publisher(self, delivery_timeout_s: float = 10.0, **changes: Any) -> KafkaPublisher:
        """A publisher that tries again soon."""
        return KafkaPublisher(self.access(**changes), self.names, delivery_timeout_s,
                              CircuitBreaker(pause_s=0.1, pause_max_s=0.5))

    def bus(self, publisher: KafkaPublisher | None = None, **changes: Any) -> KafkaBus:
        """A bus, closed at the end; its groups are called `<prefix>g.<group>`."""
        made = KafkaBus(self.access(**changes), self.names,
                        publisher or self.publisher(**changes), f"{self.prefix}g")
        self._buses.append(made)
        return made

    def close(self) -> None:
        """Close the buses."""
        for bus in self._buses:
            bus.close()


@contextmanager
def namespace(broker: Broker, partitions: int = PARTITIONS) -> Iterator[Namespace]:
    """A namespace with its topics made."""
    made = Namespace(broker, partitions)
    made.set_up()
    try:
        yield made
    finally:
        made.close()
