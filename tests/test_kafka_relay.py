"""Relay and real broker: whatever happens to the broker, everything arrives."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

import orjson
import pytest

from adapters.kafka_producer import KafkaPublisher
from recommender.errors import BusUnavailable, PartlyPublished
from recommender.topics import RATINGS, dead_letter_topic
from recommender.types import Message
from tests.fake_relay_queue import InMemoryRelayQueue, accept
from tests.kafka.broker import Broker
from tests.kafka.cluster import Namespace, namespace
from tests.sample_events import rating
from tests.worker_fakes import KeptTelemetry
from workers.relay import RelayWorker


@pytest.fixture
def space(broker: Broker) -> Iterator[Namespace]:
    with namespace(broker) as made:
        yield made


def wait_for(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ids_on(space: Namespace, topic: str) -> Counter[str]:
    """How often each event lies on a topic."""
    bus = space.bus()
    consumer = bus.consumer("look", [topic])
    expected = sum(bus.end_offsets([topic]).values())
    found: Counter[str] = Counter()
    deadline = time.monotonic() + 30
    while found.total() < expected and time.monotonic() < deadline:
        found.update(orjson.loads(r.value)["event_id"] for r in consumer.poll(5_000, 0.5))
    consumer.close()
    assert found.total() == expected
    return found


def relayed(
    space: Namespace, publisher: KafkaPublisher, trouble: Callable[[], None], events: int
) -> Counter[str]:
    """Events put before, during and after the trouble; what lies on the topic in the end."""
    queue = InMemoryRelayQueue()
    relay = RelayWorker(queue, space.bus(publisher), KeptTelemetry(), 200)
    relay.start()
    try:
        for i in range(events):
            accept(queue, rating(f"before-{i}", user=f"u{i % 50}"))
        wait_for(lambda: len(queue.sent) > events // 4)
        trouble()
        for i in range(events):
            accept(queue, rating(f"after-{i}", user=f"u{i % 50}"))
        wait_for(lambda: queue.backlog() == 0)
    finally:
        assert relay.stop(20)
    found = ids_on(space, RATINGS)
    assert set(found) == {f"{when}-{i}" for when in ("before", "after") for i in range(events)}
    return found


def test_an_outage_longer_than_the_delivery_time_out_ends_with_everything_delivered(
    space: Namespace, broker: Broker
) -> None:
    publisher = space.publisher(delivery_timeout_s=2.0, request_s=1.5)

    def outage() -> None:
        broker.kill()
        time.sleep(7)
        broker.start()

    relayed(space, publisher, outage, 3_000)
    assert publisher.abandoned >= 1
    assert publisher.failure() is None


def test_a_broker_that_stands_still_for_longer_than_the_time_out_loses_nothing(
    space: Namespace, broker: Broker
) -> None:
    publisher = space.publisher(delivery_timeout_s=2.0, request_s=1.0)

    def standstill() -> None:
        broker.freeze()
        time.sleep(5)
        broker.thaw()

    relayed(space, publisher, standstill, 1_000)


def test_a_short_outage_is_bridged_by_the_producer_itself_without_a_second_copy(
    space: Namespace, broker: Broker
) -> None:
    publisher = space.publisher(delivery_timeout_s=60.0)

    def outage() -> None:
        broker.kill()
        broker.start()

    found = relayed(space, publisher, outage, 3_000)
    assert publisher.abandoned == 0
    assert max(found.values()) == 1


def test_while_no_broker_answers_callers_are_told_at_once_after_the_first_failures(
    space: Namespace, broker: Broker
) -> None:
    publisher = space.publisher(
        delivery_timeout_s=1.5, request_s=1.0, bootstrap_servers=("127.0.0.1:1",), connect_s=0.3)
    for _ in range(3):
        with pytest.raises(BusUnavailable, match="ECONNREFUSED"):
            publisher.publish([Message(RATINGS, "k", b"v")])
    begun = time.monotonic()
    with pytest.raises(BusUnavailable, match=r"not asked for another .* ECONNREFUSED"):
        publisher.publish([Message(RATINGS, "k", b"v")])
    assert time.monotonic() - begun < 0.1
    publisher.close()


def test_messages_that_cannot_be_sent_do_not_hold_up_the_others(space: Namespace) -> None:
    publisher = space.publisher()
    good = Message(RATINGS, "k", b"good")
    with pytest.raises(PartlyPublished) as refused:
        publisher.publish([
            good, Message("no-such-topic", "k", b"x"), good,
            Message(RATINGS, "k", b"x" * 5_000_000), Message(RATINGS, "k", b"x" * 1_100_000), good,
            Message(dead_letter_topic(RATINGS), "k", b"x" * 2_000_000),
        ])  # fmt: skip
    assert refused.value.unpublished == {1, 3, 4}
    assert sum(space.bus().end_offsets([RATINGS]).values()) == 3
    publisher.publish([good])
    publisher.close()
    with pytest.raises(BusUnavailable):
        publisher.publish([good])
