"""Ingest applies every record of the bus once, whatever fails on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapters.embedded_log import EmbeddedLog
from adapters.event_store import SqlEventStore
from recommender.errors import BusUnavailable, StoreUnavailable
from recommender.record_batch import dead_letter_message, read_batch
from recommender.topics import EVENT_TOPICS, RATINGS, dead_letter_topic
from recommender.types import Applied, DeadLetter, Message, Record, TopicPartition
from tests.databases_of_tests import full_disk, new_database
from tests.sample_events import NOW_MS, frame_of, rating, search, watch
from tests.worker_fakes import KeptTelemetry
from workers.dead_letter_post import note_group
from workers.ingest import IngestWorker, offsets_group


class World:
    """A log, a store and an ingest worker between them; `step` of tests changes the parts."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.kind = kind
        self.log_engine = new_database(folder, "log", kind)
        # In a database of its own, so that one of the two may fail.
        self.store_engine = new_database(folder / "store", "store", kind)
        self.log = EmbeddedLog(self.log_engine, 3, clock_ms=lambda: NOW_MS)
        self.store = SqlEventStore(self.store_engine)
        self.telemetry = KeptTelemetry()
        self.announced: list[tuple[set[str], int, int, float | None]] = []
        self.workers: list[IngestWorker] = []

    def worker(self, **changes: Any) -> IngestWorker:
        arguments: dict[str, Any] = {
            "bus": self.log, "store": self.store, "telemetry": self.telemetry,
            "clock_ms": lambda: NOW_MS + 1000,
            "on_applied": self._announce, "linger_s": 0.01, **changes,
        }  # fmt: skip
        self.workers.append(IngestWorker(**arguments))
        return self.workers[-1]

    def start(self, **changes: Any) -> IngestWorker:
        worker = self.worker(**changes)
        worker.start()
        return worker

    def stored_offsets(self) -> dict[TopicPartition, int]:
        return self.store.offsets(offsets_group("ingest", self.log.cluster_id))

    def _announce(
        self, users: Collection[str], done: Applied, freshness_s: float | None
    ) -> None:
        self.announced.append((set(users), done.applied, done.duplicates, freshness_s))

    def close(self) -> None:
        for worker in self.workers:
            assert worker.stop()
        self.log.close()


@pytest.fixture
def world(tmp_path: Path, kind: str) -> Iterator[World]:
    made = World(tmp_path, kind)
    yield made
    made.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        time.sleep(0.005)


def applied(world: World) -> int:
    return world.store.counts()["events"]


def test_accepted_events_reach_the_store_and_are_announced(world: World) -> None:
    world.start()
    world.log.accept([rating("a"), watch("b", "u2"), search("c", "u3")])
    wait_for(lambda: applied(world) == 3)
    wait_for(lambda: sum(a for _, a, _, _ in world.announced) == 3)
    assert set().union(*(users for users, *_ in world.announced)) == {"u1", "u2", "u3"}
    assert world.announced[0][3] == pytest.approx(1.005)
    assert sum(count for (count,) in world.telemetry.of("events_applied")) == 3
    assert world.telemetry.of("freshness")


def test_a_single_event_is_applied_at_once(world: World) -> None:
    world.start(linger_s=5.0)
    time.sleep(0.1)
    begun = time.monotonic()
    world.log.accept([rating("a")])
    wait_for(lambda: applied(world) == 1)
    assert time.monotonic() - begun < 1


def test_under_load_transactions_are_at_least_the_linger_apart(world: World) -> None:
    world.start(linger_s=0.2)
    begun = time.monotonic()
    for i in range(40):
        world.log.accept([rating(f"e{i}", item=f"m{i}")])
        time.sleep(0.01)
    wait_for(lambda: applied(world) == 40)
    assert len(world.announced) <= (time.monotonic() - begun) / 0.2 + 2


def test_a_restarted_worker_goes_on_where_the_store_says(world: World) -> None:
    first = world.start()
    world.log.accept([rating(f"a{i}", user=f"u{i}") for i in range(20)])
    wait_for(lambda: applied(world) == 20)
    assert first.stop()
    assert not first.alive()
    world.log.accept([rating(f"b{i}", user=f"u{i}") for i in range(20)])
    world.start()
    wait_for(lambda: applied(world) == 40)
    assert sum(duplicates for _, _, duplicates, _ in world.announced) == 0
    assert world.stored_offsets() == {
        p: end for p, end in world.log.end_offsets(EVENT_TOPICS).items() if end
    }


def test_reading_the_whole_log_again_changes_nothing(world: World) -> None:
    world.start().stop()
    events = [rating(f"e{i}", f"u{i % 5}", f"m{i % 7}", rating=i % 10 / 2 + 0.5,
                     timestamp_ms=NOW_MS - i % 3) for i in range(50)]  # fmt: skip
    world.log.accept(events)
    world.start()
    wait_for(lambda: applied(world) == 50)
    before = world.store.state_hash()
    world.workers[-1].stop()
    world.start(group="replay")
    wait_for(lambda: sum(d for _, _, d, _ in world.announced) == 50)
    assert world.store.state_hash() == before
    assert applied(world) == 50


def test_bad_records_become_dead_letters_with_reasons_and_block_nothing(world: World) -> None:
    world.log.accept([rating("before")])
    world.log.publish([
        Message(RATINGS, "u1", b"\xff not json"),
        Message(RATINGS, "u1", b'{"user_id":"u1","item_id":"m1","rating":7}'),
        Message(RATINGS, "u1", b'{"user_id":"u1","item_id":"m9","rating":4}'),
    ])  # fmt: skip
    world.log.accept([rating("after", item="m2")])
    world.start()
    wait_for(lambda: applied(world) == 3)
    wait_for(lambda: world.store.counts()["dead_letters"] == 2)
    letters = world.store.dead_letters()
    assert sorted(letter.reason.split(":")[0] for letter in letters) == ["not JSON", "rating"]
    assert {letter.value[:1] for letter in letters} == {b"\xff", b"{"}
    assert sum(n for (n,) in world.telemetry.of("events_dead_lettered")) == 2
    consumer = world.log.consumer("test", [dead_letter_topic(RATINGS)])
    records: list[Record] = []
    wait_for(lambda: bool(records.extend(consumer.poll(10, 0.1))) or len(records) == 2)
    assert {record.key for record in records} == {
        f"{world.log.cluster_id}/{d.topic}/{d.partition}/{d.offset}" for d in letters
    }


def test_dead_letters_are_published_once_over_restarts(world: World) -> None:
    world.log.publish([Message(RATINGS, "u1", b"bad")])
    for _ in range(3):
        worker = world.start()
        wait_for(lambda: world.store.counts()["dead_letters"] == 1)
        wait_for(lambda: bool(world.store.offsets(note_group(world.log.cluster_id))))
        assert worker.stop()
    assert sum(world.log.end_offsets([dead_letter_topic(RATINGS)]).values()) == 1


def test_more_letters_than_the_queue_holds_are_published_each_once(world: World) -> None:
    world.log.close()
    world.log = EmbeddedLog(world.log_engine, 3, waiting_max=200, clock_ms=lambda: NOW_MS)
    names = [f"bad {i}" for i in range(1300)]
    for start in range(0, len(names), 100):
        world.log.publish(
            [Message(RATINGS, f"u{n}", n.encode()) for n in names[start : start + 100]]
        )
    world.start()
    dead = dead_letter_topic(RATINGS)
    wait_for(lambda: sum(world.log.end_offsets([dead]).values()) == 1300)
    records: list[Record] = []
    consumer = world.log.consumer("test", [dead])
    wait_for(lambda: bool(records.extend(consumer.poll(500, 0.1))) or len(records) == 1300)
    assert sorted(orjson.loads(r.value)["value"] for r in records) == sorted(names)


def test_letters_of_a_lost_log_stay_and_are_not_published_again(
    world: World, tmp_path: Path
) -> None:
    world.log.publish([Message(RATINGS, "u1", b"bad")])
    world.start()
    wait_for(lambda: bool(world.store.offsets(note_group(world.log.cluster_id))))
    world.workers[-1].stop()
    world.log.close()
    engine = new_database(tmp_path / "new", "log", world.kind)
    world.log = EmbeddedLog(engine, 3, clock_ms=lambda: NOW_MS)
    world.log.publish([Message(RATINGS, "u1", b"worse")])
    world.start()
    wait_for(lambda: bool(world.store.offsets(note_group(world.log.cluster_id))))
    assert {letter.value for letter in world.store.dead_letters()} == {b"bad", b"worse"}
    assert sum(world.log.end_offsets([dead_letter_topic(RATINGS)]).values()) == 1


def test_an_event_with_the_id_of_another_becomes_a_dead_letter(world: World) -> None:
    world.store.apply(frame_of([rating("mine"), rating("same", item="m2")]))
    answers = world.log.accept([rating("same", item="m2"), rating("mine", user="u9", rating=1.0)])
    assert [a.outcome.value for a in answers] == ["accepted"] * 2
    world.start()
    wait_for(lambda: world.store.counts()["dead_letters"] == 1)
    kept = world.store.dead_letters()[0]
    assert kept.reason == "event_id: known with other content"
    assert orjson.loads(kept.value)["user_id"] == "u9"
    assert applied(world) == 2
    wait_for(lambda: sum(n for (n,) in world.telemetry.of("events_dead_lettered")) == 1)
    assert sum(n for (n,) in world.telemetry.of("events_duplicate")) == 1


def test_events_in_partitions_above_a_lowered_setting_are_applied_and_watched(
    world: World,
) -> None:
    world.log.accept([rating(f"e{i}", user=f"u{i}") for i in range(100)])
    world.log.close()
    world.log = EmbeddedLog(world.log_engine, 1, clock_ms=lambda: NOW_MS)
    world.start()
    wait_for(lambda: applied(world) == 100)
    wait_for(lambda: any(
        behind.get(TopicPartition(RATINGS, 2)) == 0
        for (behind,) in world.telemetry.of("consumer_lag")))


def test_letters_that_the_bus_refused_are_published_later_and_hold_up_nothing(
    world: World,
) -> None:
    refuse = threading.Event()
    refuse.set()

    class Bus:
        def publish(self, messages: object) -> None:
            if refuse.is_set():
                raise BusUnavailable("not authorised")
            world.log.publish(messages)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> Any:
            return getattr(world.log, name)

    world.log.publish([Message(RATINGS, "u1", b"bad")])
    world.log.accept([rating("good")])
    world.start(bus=Bus())
    wait_for(lambda: applied(world) == 1)
    wait_for(lambda: world.store.counts()["dead_letters"] == 1)
    assert sum(world.log.end_offsets([dead_letter_topic(RATINGS)]).values()) == 0
    refuse.clear()
    wait_for(lambda: sum(world.log.end_offsets([dead_letter_topic(RATINGS)]).values()) == 1)


def test_a_record_that_the_store_cannot_take_is_set_aside_alone(world: World) -> None:
    class Store:
        def apply(self, frame: Any, *rest: Any, **named: Any) -> Any:
            if (frame["event_id"] == "poison").any():
                raise RuntimeError("the database cannot represent this")
            return world.store.apply(frame, *rest, **named)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

    events = [rating(f"e{i}", item=f"m{i}") for i in range(20)]
    world.log.accept([*events[:7], rating("poison"), *events[7:]])
    world.start(store=Store())
    wait_for(lambda: applied(world) == 20)
    wait_for(lambda: world.store.counts()["dead_letters"] == 1)
    assert "cannot represent" in world.store.dead_letters()[0].reason
    assert orjson.loads(world.store.dead_letters()[0].value)["event_id"] == "poison"
    assert sum(world.stored_offsets().values()) == 21


def test_a_store_that_is_away_loses_nothing(world: World) -> None:
    world.start()
    world.log.accept([rating("a")])
    wait_for(lambda: applied(world) == 1)
    with full_disk(world.store_engine):
        world.log.accept([rating(f"e{i}", f"u{i}" + "x" * 90, f"m{i}") for i in range(300)])
        time.sleep(0.4)
        assert applied(world) == 1
    wait_for(lambda: applied(world) == 301)
    assert sum(d for _, _, d, _ in world.announced) == 0


def test_while_the_store_takes_nothing_partitions_are_paused_and_polled_all_the_same(
    world: World,
) -> None:
    polls: list[bool] = []
    paused: set[TopicPartition] = set()

    class Watched:
        def __init__(self, consumer: Any) -> None:
            self._consumer = consumer

        def pause(self, partitions: Collection[TopicPartition]) -> None:
            paused.update(partitions)
            self._consumer.pause(partitions)

        def resume(self, partitions: Collection[TopicPartition]) -> None:
            paused.difference_update(partitions)
            self._consumer.resume(partitions)

        def poll(self, max_records: int, timeout_s: float) -> list[Record]:
            polls.append(bool(paused))
            return self._consumer.poll(max_records, timeout_s)  # type: ignore[no-any-return]

        def __getattr__(self, name: str) -> Any:
            return getattr(self._consumer, name)

    class Bus:
        def consumer(self, *arguments: Any) -> Any:
            return Watched(world.log.consumer(*arguments))

        def __getattr__(self, name: str) -> Any:
            return getattr(world.log, name)

    away = threading.Event()

    class Store:
        def offsets(self, group: str) -> Any:
            if away.is_set():
                raise StoreUnavailable("away")
            return world.store.offsets(group)

        def apply(self, *arguments: Any) -> Any:
            if away.is_set():
                raise StoreUnavailable("away")
            return world.store.apply(*arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

    world.start(bus=Bus(), store=Store())
    wait_for(lambda: bool(polls))
    away.set()
    world.log.accept([rating(f"e{i}", user=f"u{i}") for i in range(20)])
    wait_for(lambda: polls.count(True) >= 3)
    assert applied(world) == 0
    away.clear()
    wait_for(lambda: applied(world) == 20)
    assert not paused


def test_a_worker_tells_how_far_behind_it_is_and_what_it_waits_for(world: World) -> None:
    worker = world.start()
    with full_disk(world.store_engine):
        world.log.accept([rating(f"e{i}", f"u{i}" + "x" * 90, f"m{i}") for i in range(300)])
        wait_for(lambda: worker.waits_for is not None)
        assert "database unavailable" in str(worker.waits_for)
    wait_for(lambda: applied(world) == 300)
    wait_for(lambda: worker.waits_for is None and worker.behind == 0)


def test_a_bus_that_is_away_is_asked_again(world: World) -> None:
    away = [3]

    class Bus:
        def consumer(self, *arguments: Any) -> Any:
            away[0] -= 1
            if away[0] >= 0:
                raise BusUnavailable("no broker")
            return world.log.consumer(*arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.log, name)

    world.log.accept([rating("a")])
    world.start(bus=Bus())
    wait_for(lambda: applied(world) == 1)


def test_whatever_fails_in_an_announcement_the_events_stay_applied(world: World) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailable("no matter what it raises")

    world.start(on_applied=fail)
    world.log.accept([rating("a")])
    wait_for(lambda: applied(world) == 1)
    world.log.accept([rating("b")])
    wait_for(lambda: applied(world) == 2)
    assert not world.telemetry.of("events_duplicate") or not any(
        count for (count,) in world.telemetry.of("events_duplicate")
    )


def test_a_log_that_ends_before_the_stored_offset_is_read_from_its_start(world: World) -> None:
    world.store.apply(read_batch([], "c", NOW_MS).frame, {
        TopicPartition(RATINGS, p): 1000 for p in range(3)
    }, group=offsets_group("ingest", world.log.cluster_id))  # fmt: skip
    world.log.accept([rating("a")])
    world.start()
    wait_for(lambda: applied(world) == 1)


def test_two_workers_share_the_work_and_apply_each_event_once(world: World) -> None:
    world.start()
    second = world.start()
    world.log.accept([rating(f"e{i}", user=f"u{i}") for i in range(100)])
    wait_for(lambda: applied(world) == 100)
    second.stop()
    world.log.accept([rating(f"f{i}", user=f"u{i}") for i in range(100)])
    wait_for(lambda: applied(world) == 200)


def test_stop_ends_an_idle_worker_within_two_seconds(world: World) -> None:
    worker = world.start()
    time.sleep(0.1)
    begun = time.monotonic()
    assert worker.stop()
    assert time.monotonic() - begun < 2
    assert not worker.alive()
    assert world.worker().stop()


def test_lag_is_told_for_each_partition(world: World) -> None:
    world.log.accept([rating(f"e{i}", user=f"u{i}") for i in range(30)])
    world.start()
    wait_for(lambda: world.telemetry.of("consumer_lag"))
    ((told,), *_) = world.telemetry.of("consumer_lag")
    assert told.keys() == {TopicPartition(t, p) for t in EVENT_TOPICS for p in range(3)}


def record(value: bytes, offset: int = 0, timestamp_ms: int = NOW_MS) -> Record:
    return Record(RATINGS, 0, offset, "u", value, timestamp_ms)


def test_a_clock_set_back_does_not_turn_accepted_events_into_dead_letters() -> None:
    value = b'{"user_id":"u","item_id":"m","rating":4}'
    batch = read_batch([record(value)], "c", NOW_MS - 3_600_000)
    assert (len(batch.frame), batch.letters) == (1, ())


@pytest.mark.parametrize(("recorded_ms", "refused"), [(NOW_MS, 1), (0, 0)])
def test_what_was_refused_as_of_the_future_is_refused_whenever_it_is_read_again(
    recorded_ms: int, refused: int
) -> None:
    value = b'{"user_id":"u","item_id":"m","rating":4,"timestamp":%d}' % (NOW_MS + 3_600_000)
    for read_at_ms in (NOW_MS, NOW_MS + 86_400_000):
        batch = read_batch([record(value, 0, recorded_ms)], "c", read_at_ms)
        assert len(batch.letters) == (refused or read_at_ms == NOW_MS)


def test_an_event_of_the_future_is_set_aside_whatever_lies_beside_it() -> None:
    ahead = NOW_MS + 3_600_000
    value = b'{"user_id":"u","item_id":"m","rating":4,"timestamp":%d}' % ahead
    later = b'{"user_id":"u","item_id":"n","rating":4}'
    alone = read_batch([record(value)], "c", NOW_MS)
    beside = read_batch([record(value), record(later, 1, ahead)], "c", NOW_MS)
    assert [len(batch.letters) for batch in (alone, beside)] == [1, 1]
    assert alone.letters == beside.letters
    assert beside.frame["item_id"].tolist() == ["n"]


def test_a_batch_knows_the_next_offset_of_each_partition_also_for_bad_records() -> None:
    batch = read_batch([record(b"bad", 4), record(b"bad", 5)], "c", NOW_MS)
    assert batch.offsets == {TopicPartition(RATINGS, 0): 6}
    assert len(batch.frame) == 0
    assert [letter.offset for letter in batch.letters] == [4, 5]


def test_a_dead_letter_message_is_the_same_each_time_and_holds_the_record() -> None:
    for value, field in ((b"text", "value"), (b"\xff", "value_base64")):
        letter = DeadLetter("c", RATINGS, 1, 9, None, value, "why")
        message = dead_letter_message(letter)
        assert message == dead_letter_message(letter)
        assert (message.topic, message.key) == ("ratings.dead-letter", "c/ratings/1/9")
        assert field in orjson.loads(message.value)
