"""The relay sends each event until it is acknowledged, and marks no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from recommender.errors import BusUnavailable, PartlyPublished, StoreUnavailable
from recommender.event_codec import encode
from recommender.types import Message
from tests.fake_relay_queue import InMemoryRelayQueue, accept
from tests.sample_events import rating, watch
from tests.worker_fakes import KeptTelemetry
from workers.relay import RelayWorker


class Bus:
    """Takes batches, or fails as the next entry of `failures` says."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.failures: list[Exception] = []
        self.calls = 0

    def publish(self, messages: Sequence[Message]) -> None:
        self.calls += 1
        if not self.failures:
            self.taken += messages
            return
        failure = self.failures.pop(0)
        if isinstance(failure, PartlyPublished):
            self.taken += [m for at, m in enumerate(messages) if at not in failure.unpublished]
        raise failure


class World:
    def __init__(self) -> None:
        self.queue, self.bus, self.telemetry = InMemoryRelayQueue(), Bus(), KeptTelemetry()
        self.relay = RelayWorker(self.queue, self.bus, self.telemetry, batch_max=10)  # type: ignore[arg-type]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    assert made.relay.stop()


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_events_go_to_the_topics_of_their_types_in_order_and_are_marked(world: World) -> None:
    events = [rating(f"e{i}", user=f"u{i}") for i in range(25)] + [watch("w")]
    for event in events:
        accept(world.queue, event)
    world.relay.start()
    wait_for(lambda: world.queue.backlog() == 0)
    assert [m.value for m in world.bus.taken] == [encode(event) for event in events]
    assert [m.topic for m in world.bus.taken] == ["ratings"] * 25 + ["watch-events"]
    assert world.bus.taken[3].key == "u3"
    assert world.bus.calls == 3


def test_what_is_accepted_later_is_sent_at_once(world: World) -> None:
    world.relay.start()
    time.sleep(0.1)
    begun = time.monotonic()
    accept(world.queue, rating("a"))
    wait_for(lambda: world.queue.backlog() == 0)
    assert time.monotonic() - begun < 0.4


def test_a_bus_that_is_away_costs_nothing_but_time(world: World) -> None:
    world.bus.failures = [BusUnavailable("away")] * 3
    for i in range(5):
        accept(world.queue, rating(f"e{i}"))
    world.relay.start()
    wait_for(lambda: world.queue.backlog() == 0)
    assert len(world.bus.taken) == 5
    assert world.telemetry.of("events_redelivered") == [(5,)]
    assert world.telemetry.of("relay_backlog")[0] == (5,)


class RefusesTopic(Bus):
    """A bus that lets nobody write to one topic."""

    def publish(self, messages: Sequence[Message]) -> None:
        self.calls += 1
        refused = frozenset(at for at, m in enumerate(messages) if m.topic == "watch-events")
        self.taken += [m for m in messages if m.topic != "watch-events"]
        if len(refused) == len(messages):
            raise BusUnavailable("TopicAuthorizationFailedError")
        if refused:
            raise PartlyPublished("TopicAuthorizationFailedError", refused)


def test_a_refused_topic_with_more_rows_than_a_batch_holds_up_no_other() -> None:
    world = World()
    world.bus = RefusesTopic()
    world.relay = RelayWorker(world.queue, world.bus, world.telemetry, batch_max=10)  # type: ignore[arg-type]
    for at in range(35):
        accept(world.queue, watch(f"w{at}"))
    for at in range(25):
        accept(world.queue, rating(f"r{at}"))
    world.relay.start()
    wait_for(lambda: len(world.bus.taken) == 25)
    assert world.queue.backlog() == 35
    calls = world.bus.calls
    time.sleep(1.0)
    assert world.bus.calls - calls <= 3  # each attempt later than the last
    assert world.relay.stop()


def test_of_a_batch_taken_in_part_only_the_rest_is_sent_again(world: World) -> None:
    world.bus.failures = [PartlyPublished("too large", frozenset({1, 3}))]
    for i in range(5):
        accept(world.queue, rating(f"e{i}"))
    world.relay.start()
    wait_for(lambda: world.queue.backlog() == 0)
    assert sorted(world.queue.sent) == [1, 2, 3, 4, 5]
    assert len({m.value for m in world.bus.taken}) == len(world.bus.taken) == 5


def test_an_outbox_that_is_away_or_a_mistake_does_not_end_the_relay(world: World) -> None:
    world.bus.failures = [StoreUnavailable("locked"), RuntimeError("a mistake")]
    accept(world.queue, rating("a"))
    world.relay.start()
    wait_for(lambda: world.queue.backlog() == 0)


def test_stop_ends_an_idle_relay_at_once(world: World) -> None:
    world.relay.start()
    time.sleep(0.05)
    begun = time.monotonic()
    assert world.relay.stop()
    assert time.monotonic() - begun < 0.3
