"""What every bus promises: the embedded log on each kind of database, and Kafka."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2
from sqlalchemy import event, text

from adapters.database import writing
from adapters.embedded_log import EmbeddedLog
from adapters.partitioner import partition_of
from recommender.errors import BusUnavailable
from recommender.ports import Consumer, EventBus
from recommender.topics import EVENT_TOPICS, RATINGS, WATCH_EVENTS
from recommender.types import Message, Record, TopicPartition
from tests.databases_of_tests import locked, new_database, on_postgresql
from tests.kafka.cluster import namespace
from tests.sample_events import NOW_MS, rating, search, watch

PARTITIONS = 3
ASSIGNED_S = 20.0


def embedded(folder: Path, kind: str = "sqlite") -> EmbeddedLog:
    return EmbeddedLog(new_database(folder, "log", kind), PARTITIONS, clock_ms=lambda: NOW_MS)


@contextmanager
def embedded_bus(request: pytest.FixtureRequest, kind: str) -> Iterator[EventBus]:
    log = embedded(request.getfixturevalue("tmp_path"), kind)
    yield log
    log.close()


@contextmanager
def kafka_bus(request: pytest.FixtureRequest, _kind: str) -> Iterator[EventBus]:
    with namespace(request.getfixturevalue("broker"), PARTITIONS) as made:
        yield made.bus()


BUSES: dict[str, Callable[[pytest.FixtureRequest, str], AbstractContextManager[EventBus]]] = {
    "embedded": embedded_bus,
    "kafka": kafka_bus,
}


class Members:
    """A bus whose consumers are closed with the test."""

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus
        self.opened: list[Consumer] = []

    def joined(self, group: str, topics: Sequence[str]) -> Consumer:
        """A member that reads its share of the topics, when it is the only one: all of it."""
        made = self.joining(group, topics)
        settle(topics, made)
        return made

    def joining(self, group: str, topics: Sequence[str]) -> Consumer:
        """A member that may have no partitions yet."""
        self.opened.append(self.bus.consumer(group, topics))
        return self.opened[-1]


def settle(topics: Sequence[str], *members: Consumer) -> None:
    """Poll until each member has its share of the partitions; nothing may be read by that."""
    everything = {TopicPartition(t, p) for t in topics for p in range(PARTITIONS)}
    deadline = time.monotonic() + ASSIGNED_S
    while True:
        held = [member.assignment() for member in members]
        divided = set().union(*held) == everything and sum(map(len, held)) == len(everything)
        if divided and all(held):
            return
        assert time.monotonic() < deadline, held
        for member, mine in zip(members, held, strict=True):
            member.pause(mine)
            assert member.poll(1, 0.05) == []
            member.resume(mine & member.assignment())


@pytest.fixture(
    params=["embedded on sqlite", on_postgresql("embedded on postgresql"), "kafka"])
def members(request: pytest.FixtureRequest) -> Iterator[Members]:
    name, _, kind = request.param.partition(" on ")
    with BUSES[name](request, kind) as opened:
        made = Members(opened)
        yield made
        for member in made.opened:
            member.close()


@pytest.fixture
def bus(members: Members) -> EventBus:
    return members.bus


def messages(*names: str, topic: str = RATINGS, key: str | None = None) -> list[Message]:
    return [Message(topic, key or f"user-{name}", name.encode()) for name in names]


def read(consumer: Consumer, count: int, at_once: int = 100) -> list[Record]:
    """Poll until `count` records came; fails when they do not come."""
    records: list[Record] = []
    deadline = time.monotonic() + 10
    while len(records) < count and time.monotonic() < deadline:
        records += consumer.poll(at_once, 0.2)
    assert len(records) == count
    return records


def in_partitions(bus: EventBus, places: set[TopicPartition]) -> int:
    """How many records the partitions hold."""
    return sum(end for place, end in bus.end_offsets([RATINGS]).items() if place in places)


def values(records: list[Record]) -> list[str]:
    return [record.value.decode() for record in records]


def test_what_was_published_is_read_with_key_topic_and_offsets_from_0(
    members: Members, bus: EventBus
) -> None:
    bus.publish(messages("a", "b", "c", key="one"))
    records = read(members.joined("g", [RATINGS]), 3)
    assert values(records) == ["a", "b", "c"]
    assert {(r.topic, r.key) for r in records} == {(RATINGS, "one")}
    assert len({r.partition for r in records}) == 1
    assert [r.offset for r in records] == [0, 1, 2]


def test_a_key_always_goes_to_the_partition_of_kafka_s_default_partitioner(
    members: Members, bus: EventBus
) -> None:
    names = [str(i) for i in range(50)]
    bus.publish(messages(*names))
    bus.publish(messages(*names, topic=WATCH_EVENTS))
    for record in read(members.joined("g", [RATINGS, WATCH_EVENTS]), 100):
        assert record.key is not None
        expected = (murmur2(record.key.encode()) & 0x7FFFFFFF) % PARTITIONS
        assert record.partition == expected


def test_order_holds_within_each_partition(members: Members, bus: EventBus) -> None:
    for start in range(0, 60, 20):
        bus.publish(messages(*(str(i) for i in range(start, start + 20))))
    records = read(members.joined("g", [RATINGS]), 60, at_once=7)
    for partition in range(PARTITIONS):
        mine = [r for r in records if r.partition == partition]
        assert [r.offset for r in mine] == list(range(len(mine)))
        assert [int(r.value) for r in mine] == sorted(int(r.value) for r in mine)


def test_binary_values_come_back_byte_for_byte(members: Members, bus: EventBus) -> None:
    value = bytes(range(256))
    bus.publish([Message(RATINGS, "k", value), Message(RATINGS, "k", b"")])
    assert [r.value for r in read(members.joined("g", [RATINGS]), 2)] == [value, b""]


def test_a_record_is_not_dated_before_its_message_was_made(
    members: Members, bus: EventBus
) -> None:
    ahead = max(NOW_MS, time.time_ns() // 1_000_000) + 7_200_000
    bus.publish([Message(RATINGS, "u", b"late", made_at_ms=ahead), Message(RATINGS, "u", b"now"),
                 Message(RATINGS, "u", b"old", made_at_ms=1)])
    late, now, old = read(members.joined("g", [RATINGS]), 3)
    assert late.timestamp_ms == ahead
    assert ahead > now.timestamp_ms >= NOW_MS and ahead > old.timestamp_ms >= NOW_MS


def test_topics_not_asked_for_are_not_read(members: Members, bus: EventBus) -> None:
    bus.publish(messages("other", topic="model-metrics"))
    bus.publish(messages("mine"))
    consumer = members.joined("g", [RATINGS])
    assert values(read(consumer, 1)) == ["mine"]
    assert consumer.poll(10, 0) == []


def test_each_group_reads_everything(members: Members, bus: EventBus) -> None:
    bus.publish(messages("a", "b"))
    for group in ("g", "h"):
        assert sorted(values(read(members.joined(group, [RATINGS]), 2))) == ["a", "b"]


def test_members_of_a_group_divide_the_partitions(members: Members) -> None:
    first, second = members.joining("g", EVENT_TOPICS), members.joining("g", EVENT_TOPICS)
    settle(EVENT_TOPICS, first, second)
    assert first.assignment()
    assert second.assignment()
    second.close()
    settle(EVENT_TOPICS, first)


def test_a_member_that_leaves_hands_its_records_over(members: Members, bus: EventBus) -> None:
    first, second = members.joining("g", [RATINGS]), members.joining("g", [RATINGS])
    settle([RATINGS], first, second)
    lost = second.assignment()
    bus.publish(messages(*(str(i) for i in range(30))))
    theirs = read(second, in_partitions(bus, lost))
    read(first, 30 - len(theirs))
    second.close()
    settle([RATINGS], first)
    for partition in lost:
        first.seek(partition, 0)
    again = read(first, len(theirs))
    assert sorted(values(again)) == sorted(values(theirs))
    assert {TopicPartition(r.topic, r.partition) for r in again} <= lost


def test_nothing_of_a_new_partition_is_read_before_the_member_can_know_of_it(
    members: Members, bus: EventBus
) -> None:
    first, second = members.joining("g", [RATINGS]), members.joining("g", [RATINGS])
    settle([RATINGS], first, second)
    before = first.assignment()
    bus.publish(messages(*(str(i) for i in range(30))))
    mine = read(first, in_partitions(bus, before))
    second.close()
    gained: list[Record] = []
    deadline = time.monotonic() + ASSIGNED_S
    while len(gained) < 30 - len(mine) and time.monotonic() < deadline:
        known = first.assignment()
        for record in first.poll(100, 0.2):
            assert TopicPartition(record.topic, record.partition) in known
            gained.append(record)
    assert sorted(int(r.value) for r in mine + gained) == list(range(30))
    assert first.assignment() - before


def test_a_partition_that_comes_to_a_member_is_read_from_where_it_seeks(
    members: Members, bus: EventBus
) -> None:
    first, second = members.joining("g", [RATINGS]), members.joining("g", [RATINGS])
    settle([RATINGS], first, second)
    bus.publish(messages(*(str(i) for i in range(30))))
    before = first.assignment()
    mine = read(first, in_partitions(bus, before))
    second.close()
    ends = bus.end_offsets([RATINGS])
    deadline = time.monotonic() + ASSIGNED_S
    while not (gained := first.assignment() - before):
        assert time.monotonic() < deadline
        assert first.poll(100, 0.1) == []
    for place in gained:
        first.seek(place, ends[place] - 1)
    last = read(first, sum(ends[place] > 0 for place in gained))
    assert {(TopicPartition(r.topic, r.partition), r.offset + 1) for r in last} == {
        (place, ends[place]) for place in gained if ends[place]
    }  # fmt: skip
    assert mine


def test_seek_goes_back_and_forward(members: Members, bus: EventBus) -> None:
    bus.publish(messages("a", "b", "c", "d", key="k"))
    consumer = members.joined("g", [RATINGS])
    records = read(consumer, 4)
    place = TopicPartition(RATINGS, records[0].partition)
    assert consumer.position(place) == 4
    consumer.seek(place, 1)
    assert consumer.position(place) == 1
    assert values(read(consumer, 3)) == ["b", "c", "d"]
    consumer.seek(place, 3)
    assert values(read(consumer, 1)) == ["d"]
    consumer.seek(place, 4)
    bus.publish(messages("e", key="k"))
    assert values(read(consumer, 1)) == ["e"]


def test_a_paused_partition_waits_and_nothing_of_it_is_lost(
    members: Members, bus: EventBus
) -> None:
    bus.publish(messages(*(str(i) for i in range(30))))
    consumer = members.joined("g", [RATINGS])
    paused = TopicPartition(RATINGS, 1)
    consumer.pause([paused])
    ends = bus.end_offsets([RATINGS])
    others = read(consumer, 30 - ends[paused])
    assert all(r.partition != 1 for r in others)
    assert consumer.poll(100, 0.2) == []
    bus.publish(messages(*(str(i) for i in range(30, 40))))
    others += consumer.poll(100, 1)
    assert all(r.partition != 1 for r in others)
    consumer.resume([paused])
    records = others + read(consumer, 40 - len(others), at_once=3)
    assert sorted(int(r.value) for r in records) == list(range(40))


def test_poll_waits_for_the_next_record(members: Members, bus: EventBus) -> None:
    consumer = members.joined("g", [RATINGS])
    consumer.poll(10, 0)
    later = threading.Timer(0.1, bus.publish, [messages("a")])
    later.start()
    assert values(consumer.poll(10, 10)) == ["a"]
    later.join()


def test_poll_returns_after_its_time_and_on_wake(members: Members) -> None:
    consumer = members.joined("g", [RATINGS])
    begun = time.monotonic()
    assert consumer.poll(10, 0.05) == []
    assert time.monotonic() - begun < 2
    later = threading.Timer(0.1, consumer.wake)
    later.start()
    assert consumer.poll(10, 30) == []
    assert time.monotonic() - begun < 10
    later.join()


def test_end_offsets_count_what_was_published(bus: EventBus) -> None:
    assert set(bus.end_offsets([RATINGS]).values()) == {0}
    bus.publish(messages(*(str(i) for i in range(20))))
    ends = bus.end_offsets([RATINGS])
    assert set(ends) == {TopicPartition(RATINGS, p) for p in range(PARTITIONS)}
    assert sum(ends.values()) == 20


def test_a_bus_that_answers_is_reachable(bus: EventBus) -> None:
    assert bus.problem() is None


# --- the embedded log


def test_accepted_events_travel_on_the_topics_of_their_types(tmp_path: Path, kind: str) -> None:
    log = embedded(tmp_path, kind)
    log.accept([rating("a"), watch("b"), search("c")])
    records = read(log.consumer("g", EVENT_TOPICS), 3)
    assert [(r.topic, r.key) for r in records] == [
        ("ratings", "u1"), ("watch-events", "u1"), ("browse-events", "u1"),
    ]  # fmt: skip
    assert [r.timestamp_ms for r in records] == [NOW_MS] * 3
    log.close()


def test_offsets_go_on_after_a_restart_and_the_log_keeps_its_name(
    tmp_path: Path, kind: str
) -> None:
    first = embedded(tmp_path, kind)
    first.publish(messages("a", "b", key="k"))
    ends, name = first.end_offsets([RATINGS]), first.cluster_id
    first.close()
    second = embedded(tmp_path, kind)
    assert second.end_offsets([RATINGS]) == ends
    assert second.cluster_id == name
    second.publish(messages("c", key="k"))
    assert [r.offset for r in read(second.consumer("g", [RATINGS]), 3)] == [0, 1, 2]
    second.close()


def test_a_log_opened_with_fewer_partitions_still_reads_all_that_hold_records(
    tmp_path: Path, kind: str
) -> None:
    engine = new_database(tmp_path, "log", kind)
    wide = EmbeddedLog(engine, 4)
    wide.publish(messages(*(str(i) for i in range(100))))
    ends = wide.end_offsets([RATINGS])
    wide.close()
    narrow = EmbeddedLog(engine, 2)
    assert narrow.end_offsets([RATINGS]) == ends
    assert len(narrow.end_offsets([WATCH_EVENTS])) == 2
    narrow.publish(messages(*(str(i) for i in range(100, 120))))
    records = read(narrow.consumer("g", [RATINGS]), 120)
    assert {int(r.value) for r in records} == set(range(120))
    assert {r.partition for r in records if int(r.value) >= 100} <= {0, 1}
    narrow.close()


def test_records_of_another_process_are_found_when_a_wait_ends(tmp_path: Path) -> None:
    ours, theirs = embedded(tmp_path), embedded(tmp_path)
    consumer = ours.consumer("g", [RATINGS])
    assert consumer.poll(10, 0) == []
    theirs.publish(messages("a"))
    assert values(read(consumer, 1)) == ["a"]
    ours.close()
    theirs.close()


def test_a_database_that_refuses_is_a_bus_that_is_away(tmp_path: Path, kind: str) -> None:
    engine = new_database(tmp_path, "log", kind)
    log = EmbeddedLog(engine, PARTITIONS)
    with locked(engine), pytest.raises(BusUnavailable):
        log.publish(messages("a"))
    log.publish(messages("a"))
    consumer = log.consumer("g", [RATINGS])
    log.close()
    assert log.problem()
    with pytest.raises(BusUnavailable):
        consumer.poll(10, 0)


def test_polling_reads_by_the_order_of_the_log_and_not_whole_partitions(tmp_path: Path) -> None:
    engine = new_database(tmp_path, "log")
    log = EmbeddedLog(engine, PARTITIONS)
    log.publish(messages(*(str(i) for i in range(50))))
    statements: list[tuple[str, object]] = []

    def note(_c: object, _k: object, statement: str, parameters: object, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    read(log.consumer("g", EVENT_TOPICS), 50)
    event.remove(engine, "before_cursor_execute", note)
    reading, given = next((s, p) for s, p in statements if "LIMIT" in s and "json_group" in s)
    assert sum("json_group" in s for s, _ in statements) == 1
    with writing(engine) as connection:
        connection.execute(text("ANALYZE"))
    with engine.connect() as connection:
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {reading}", given).all())
    assert "INTEGER PRIMARY KEY" in plan
    assert "uq_outbox" not in plan
    log.close()


@given(st.text(min_size=1), st.integers(1, 100))
def test_partitions_are_those_of_kafka(key: str, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
