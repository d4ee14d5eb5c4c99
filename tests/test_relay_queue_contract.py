"""What was accepted is taken by one relay at a time until it is marked as sent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event

from adapters.relay_outbox import RelayOutbox
from adapters.relay_queue import SqlRelayQueue
from recommender.errors import StoreUnavailable
from recommender.event_codec import encode
from recommender.ports import RelayQueue
from recommender.topics import topic_of
from recommender.types import Event, Outcome, Unsent
from tests.databases_of_tests import (
    KINDS,
    NEEDS_POSTGRESQL,
    count,
    database_url,
    locked,
    new_database,
)
from tests.fake_relay_queue import InMemoryRelayQueue
from tests.sample_events import NOW_MS, rating, search, watch

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class World:
    """A queue, and how events come into it."""

    queue: RelayQueue
    accept: Callable[[list[Event]], None]


@pytest.fixture(params=[*KINDS, "memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        memory = InMemoryRelayQueue()

        def put(events: list[Event]) -> None:
            rows = [(e.event_id, topic_of(e.type), e.user_id, encode(e)) for e in events]
            memory.put(rows, NOW_MS)

        yield World(memory, put)
        return
    engine = new_database(tmp_path, "log", request.param)
    queue, outbox = opened(engine)
    yield World(queue, lambda events: accept(outbox, events))
    outbox.close()
    queue.close()


def opened(engine: Engine) -> tuple[SqlRelayQueue, RelayOutbox]:
    queue = SqlRelayQueue(engine)
    return queue, RelayOutbox(engine, queue, clock_ms=lambda: NOW_MS)


def accept(outbox: RelayOutbox, events: list[Event]) -> None:
    assert {a.outcome for a in outbox.accept(events)} <= {Outcome.ACCEPTED}


def ratings(*names: str) -> list[Event]:
    return [rating(name, item=f"m-{name}") for name in names]


def ids(batch: list[Unsent]) -> list[str]:
    return [row.event_id for row in batch]


def test_what_was_accepted_is_taken_oldest_first_as_it_will_lie_on_the_topic(world: World) -> None:
    events = [rating("b"), watch("a", "u2"), search("c")]
    world.accept(events[:2])
    world.accept(events[2:])
    batch = world.queue.take(10)
    assert ids(batch) == ["b", "a", "c"]
    assert [(row.topic, row.key) for row in batch] == [
        ("ratings", "u1"), ("watch-events", "u2"), ("browse-events", "u1"),
    ]  # fmt: skip
    assert [row.value for row in batch] == [encode(e) for e in events]
    assert {row.accepted_at_ms for row in batch} == {NOW_MS}
    assert [row.sequence for row in batch] == sorted({row.sequence for row in batch})


def test_topics_that_are_left_out_fill_no_batch_and_are_there_the_next_time(world: World) -> None:
    world.accept([watch("w1", "u2"), watch("w2", "u2"), rating("r1"), search("s1"), rating("r2")])
    assert ids(world.queue.take(2, ["watch-events", "browse-events"])) == ["r1", "r2"]
    world.queue.give_back()
    assert world.queue.take(9, ["watch-events", "browse-events", "ratings"]) == []
    assert ids(world.queue.take(2)) == ["w1", "w2"]
    world.queue.give_back()


def test_a_batch_is_no_larger_than_asked_for_and_the_next_begins_behind_it(world: World) -> None:
    world.accept(ratings(*"abcde"))
    first = world.queue.take(2)
    assert ids(first) == ["a", "b"]
    world.queue.mark_sent([row.sequence for row in first])
    assert ids(world.queue.take(10)) == ["c", "d", "e"]


def test_an_empty_outbox_gives_nothing_and_has_no_backlog(world: World) -> None:
    assert world.queue.take(10) == []
    assert world.queue.take(10) == []
    assert world.queue.backlog() == 0
    world.queue.give_back()


def test_what_was_marked_is_never_taken_again(world: World) -> None:
    world.accept(ratings(*"abc"))
    batch = world.queue.take(10)
    assert world.queue.backlog() == 3
    world.queue.mark_sent([row.sequence for row in batch])
    assert world.queue.backlog() == 0
    assert world.queue.take(10) == []


def test_what_was_not_acknowledged_of_a_batch_is_taken_again(world: World) -> None:
    world.accept(ratings(*"abcd"))
    batch = world.queue.take(10)
    world.queue.mark_sent([batch[1].sequence, batch[3].sequence])
    assert world.queue.backlog() == 2
    assert ids(world.queue.take(10)) == ["a", "c"]
    world.queue.mark_sent([])
    assert ids(world.queue.take(10)) == ["a", "c"]
    world.queue.give_back()
    assert ids(world.queue.take(1)) == ["a"]


def test_a_second_batch_before_the_first_is_settled_is_a_mistake(world: World) -> None:
    world.accept(ratings(*"ab"))
    batch = world.queue.take(1)
    with pytest.raises(RuntimeError):
        world.queue.take(1)
    world.queue.mark_sent([batch[0].sequence])
    assert ids(world.queue.take(1)) == ["b"]


def test_rows_of_no_batch_are_not_marked(world: World) -> None:
    world.accept(ratings(*"ab"))
    with pytest.raises(ValueError, match="batch"):
        world.queue.mark_sent([1])
    batch = world.queue.take(1)
    with pytest.raises(ValueError, match="batch"):
        world.queue.mark_sent([batch[0].sequence, batch[0].sequence + 1])
    assert world.queue.backlog() == 2
    world.queue.mark_sent([batch[0].sequence])
    assert world.queue.backlog() == 1


def test_waiting_ends_with_the_next_event_or_a_wake_or_the_time(world: World) -> None:
    def takes_s(act: Callable[[], None] | None, timeout_s: float = 5.0) -> float:
        timer = threading.Timer(0.05, act) if act else None
        if timer:
            timer.start()
        begun = time.monotonic()
        world.queue.wait(timeout_s)
        lasted = time.monotonic() - begun
        if timer:
            timer.join()
        return lasted

    world.queue.take(1)
    assert takes_s(lambda: world.accept(ratings("a"))) < 2
    assert takes_s(None) < 1  # not taken since
    world.queue.take(1)
    assert takes_s(world.queue.wake) < 2
    world.queue.give_back()
    world.queue.take(1)
    assert 0.04 < takes_s(None, 0.05) < 2


# --- what only a database can show


def test_a_row_is_never_taken_by_two_queues(tmp_path: Path, kind: str) -> None:
    engines = [new_database(tmp_path, "log", kind) for _ in range(3)]
    outbox = RelayOutbox(engines[0], SqlRelayQueue(engines[0]))
    accept(outbox, ratings(*(f"e{i}" for i in range(600))))
    taken: list[str] = []

    def relay(engine: Engine) -> None:
        with closing(SqlRelayQueue(engine)) as queue:
            while queue.backlog():
                batch = queue.take(20)
                taken.extend(ids(batch))
                queue.mark_sent([row.sequence for row in batch])

    threads = [threading.Thread(target=relay, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.close()
    assert sorted(taken) == sorted(f"e{i}" for i in range(600))


@NEEDS_POSTGRESQL
def test_on_postgresql_another_queue_takes_the_next_rows(tmp_path: Path) -> None:
    engine = new_database(tmp_path, "log", "postgresql")
    (ours, outbox), theirs = opened(engine), SqlRelayQueue(engine)
    accept(outbox, ratings(*"abcd"))
    mine, others = ours.take(2), theirs.take(10)
    assert (ids(mine), ids(others)) == (["a", "b"], ["c", "d"])
    ours.give_back()
    theirs.mark_sent([others[0].sequence])
    assert ids(theirs.take(10)) == ["a", "b", "d"]
    for each in (outbox, ours, theirs):
        each.close()


def test_events_are_accepted_while_a_batch_is_taken(tmp_path: Path, kind: str) -> None:
    queue, outbox = opened(new_database(tmp_path, "log", kind))
    accept(outbox, ratings(*"ab"))
    batch = queue.take(10)
    begun = time.monotonic()
    accept(outbox, ratings("c"))
    assert time.monotonic() - begun < 2
    queue.mark_sent([row.sequence for row in batch])
    assert ids(queue.take(10)) == ["c"]
    outbox.close()
    queue.close()


def test_a_closed_queue_gives_back_what_it_had(tmp_path: Path, kind: str) -> None:
    engine = new_database(tmp_path, "log", kind)
    queue, outbox = opened(engine)
    accept(outbox, ratings("a"))
    assert ids(queue.take(1)) == ["a"]
    queue.close()
    other = SqlRelayQueue(engine)
    assert ids(other.take(1)) == ["a"]
    other.close()
    outbox.close()


def test_a_killed_process_gives_back_what_it_had(tmp_path: Path, kind: str) -> None:
    queue, outbox = opened(new_database(tmp_path, "log", kind))
    accept(outbox, ratings(*"abc"))
    code = (
        "import sys, time; from adapters.database import open_database;"
        "from adapters.relay_queue import SqlRelayQueue;"
        "batch = SqlRelayQueue(open_database(sys.argv[1], 'log')).take(10);"
        "print(*[row.event_id for row in batch], flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, database_url(tmp_path, "log", kind)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline().split() == ["a", "b", "c"]
        assert queue.take(10) == []
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 10
    while not (batch := queue.take(10)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ids(batch) == ["a", "b", "c"]
    outbox.close()
    queue.close()


def test_a_mark_that_cannot_be_written_leaves_the_batch_to_be_taken_again(
    tmp_path: Path, kind: str
) -> None:
    engine = new_database(tmp_path, "log", kind)
    queue, outbox = opened(engine)
    accept(outbox, ratings(*"ab"))
    batch = queue.take(10)
    with refusing_marks(engine, kind), pytest.raises(StoreUnavailable):
        queue.mark_sent([row.sequence for row in batch])
    assert queue.backlog() == 2
    assert ids(queue.take(10)) == ["a", "b"]
    outbox.close()
    queue.close()


@contextmanager
def refusing_marks(engine: Engine, kind: str) -> Iterator[None]:
    """SQLite: another writer is in the way. PostgreSQL: the session ends before its commit."""
    if kind == "sqlite":
        with locked(engine):
            yield
        return

    def end_session(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        with engine.connect() as other:
            other.exec_driver_sql(f"SELECT pg_terminate_backend({raw.info.backend_pid}, 5000)")

    event.listen(engine, "commit", end_session)
    try:
        yield
    finally:
        event.remove(engine, "commit", end_session)


@NEEDS_POSTGRESQL
def test_two_processes_accept_into_one_outbox_each_event_once_and_keep_one_quota(
    tmp_path: Path,
) -> None:
    outboxes = []
    for _ in range(2):
        engine = new_database(tmp_path, "log", "postgresql")
        queue = SqlRelayQueue(engine)
        outboxes.append(RelayOutbox(engine, queue, ratings_per_hour=5, clock_ms=lambda: NOW_MS))
    answers: list[tuple[str, str]] = []

    def post(outbox: RelayOutbox) -> None:
        for i in range(30):
            both = [rating(f"{u}-{i}", user=u, item=f"m{i}") for u in ("u1", "u2")]
            posted = [watch(f"w-{i}", user="u3", item="m"), *both]
            answers.extend((a.event_id, a.outcome.value) for a in outbox.accept(posted))

    threads = [threading.Thread(target=post, args=(o,)) for o in outboxes for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = sorted(name for name, outcome in answers if outcome == "accepted")
    assert len(accepted) == len(set(accepted)) == 30 + 2 * 5
    assert outboxes[0].depth() == 40
    assert count(new_database(tmp_path, "log", "postgresql"), "outbox") == 40
    for outbox in outboxes:
        outbox.close()
