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

pytestmark = pytest.mark.timeout(600)  # starts of brokers, on a busy machine


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


class Relaying:
    """A relay over a publisher; events put before, during and after a trouble."""

    def __init__(self, space: Namespace, publisher: KafkaPublisher, name: str) -> None:
        self.queue = InMemoryRelayQueue()
        self.publisher = publisher
        self.put = 0
        self._name = name
        self._relay = RelayWorker(self.queue, space.bus(publisher), KeptTelemetry(), 200)
        self._relay.start()

    def accept(self, events: int) -> None:
        for _ in range(events):
            self.put += 1
            accept(self.queue, rating(f"{self._name}-{self.put}", user=f"u{self.put % 50}"))

    def finish(self) -> None:
        wait_for(lambda: self.queue.backlog() == 0)
        assert self._relay.stop(20)

    def on(self, found: Counter[str]) -> dict[str, int]:
        """How often each event of this relay lies on the topic."""
        mine = {e: n for e, n in found.items() if e.startswith(f"{self._name}-")}
        assert set(mine) == {f"{self._name}-{n + 1}" for n in range(self.put)}
        return mine


def through(trouble: Callable[[], None], events: int, *relays: Relaying) -> None:
    for relay in relays:
        relay.accept(events)
    wait_for(lambda: all(len(relay.queue.sent) > events // 4 for relay in relays))
    trouble()
    for relay in relays:
        relay.accept(events)
    for relay in relays:
        relay.finish()


def test_an_outage_ends_with_everything_delivered_whether_the_producer_bridges_it_or_not(
    space: Namespace, broker: Broker
) -> None:
    impatient = Relaying(space, space.publisher(delivery_timeout_s=2.0, request_s=1.5), "short")
    patient = Relaying(space, space.publisher(delivery_timeout_s=60.0), "long")

    def outage() -> None:
        broker.kill()
        for relay in (impatient, patient):
            relay.accept(500)
        time.sleep(5)
        broker.start()

    through(outage, 1_000, impatient, patient)
    found = ids_on(space, RATINGS)
    # Longer than the delivery time-out: its producer stalls and has to be given up.
    assert impatient.publisher.abandoned >= 1
    assert impatient.publisher.failure() is None
    impatient.on(found)
    assert patient.publisher.abandoned == 0
    assert max(patient.on(found).values()) == 1


def test_a_broker_that_stands_still_for_longer_than_the_time_out_loses_nothing(
    space: Namespace, broker: Broker
) -> None:
    relay = Relaying(space, space.publisher(delivery_timeout_s=1.5, request_s=1.0), "still")

    def standstill() -> None:
        broker.freeze()
        time.sleep(3.5)
        broker.thaw()

    through(standstill, 1_000, relay)
    relay.on(ids_on(space, RATINGS))


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
