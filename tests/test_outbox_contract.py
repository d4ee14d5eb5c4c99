"""What every outbox promises."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from adapters.embedded_log import EmbeddedLog
from adapters.outbox import decide, offer
from adapters.relay_outbox import RelayOutbox
from adapters.relay_queue import SqlRelayQueue
from adapters.tables import outbox as outbox_table
from recommender.errors import StoreUnavailable
from recommender.event_codec import encode
from recommender.ports import Outbox
from recommender.types import Acceptance, Event, Outcome
from tests.databases_of_tests import (
    count,
    full_disk,
    locked,
    new_database,
    on_postgresql,
    sqlite_url,
)
from tests.fakes import InMemoryOutbox
from tests.sample_events import NOW_MS, rating, search, undo, watch

# Each adapter on each kind of database, and the fake of the tests.
OUTBOXES = (
    "embedded on sqlite", on_postgresql("embedded on postgresql"),
    "relay on sqlite", on_postgresql("relay on postgresql"), "memory",
)  # fmt: skip
Opened = Callable[..., EmbeddedLog | RelayOutbox]

ENGINES: WeakKeyDictionary[Outbox, Engine] = WeakKeyDictionary()


def embedded(folder: Path, kind: str = "sqlite", **changes: Any) -> EmbeddedLog:
    engine = new_database(folder, "log", kind)
    log = EmbeddedLog(engine, 4, **{"clock_ms": lambda: NOW_MS, **changes})
    ENGINES[log] = engine
    return log


def relay(folder: Path, kind: str = "sqlite", **changes: Any) -> RelayOutbox:
    engine = new_database(folder, "log", kind)
    values = {"clock_ms": lambda: NOW_MS, **changes}
    outbox = RelayOutbox(engine, SqlRelayQueue(engine), **values)
    ENGINES[outbox] = engine
    return outbox


ADAPTERS = {"embedded": embedded, "relay": relay}


@contextmanager
def failing(outbox: Outbox) -> Iterator[None]:
    """As long as it lasts the outbox cannot write."""
    if isinstance(outbox, InMemoryOutbox):
        outbox.refuses = True
        yield
        outbox.refuses = False
    else:
        with full_disk(ENGINES[outbox]):
            yield


@pytest.fixture(params=OUTBOXES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Outbox]]:
    made: list[Outbox] = []

    def open_outbox(quota: int | None = None) -> Outbox:
        name, _, kind = request.param.partition(" on ")
        adapter = ADAPTERS.get(name)
        made.append(
            adapter(tmp_path, kind, ratings_per_hour=quota) if adapter else InMemoryOutbox(quota)
        )
        return made[-1]

    yield open_outbox
    for outbox in made:
        outbox.close()


def outcomes(answers: list[Acceptance]) -> list[str]:
    return [answer.outcome.value for answer in answers]


def test_answers_come_in_the_order_of_the_events(make: Callable[..., Outbox]) -> None:
    answers = make().accept([rating("a"), watch("b"), search("c")])
    assert [a.event_id for a in answers] == ["a", "b", "c"]
    assert outcomes(answers) == ["accepted"] * 3


def test_nothing_to_accept_is_no_error(make: Callable[..., Outbox]) -> None:
    assert make().accept([]) == []


def test_the_same_event_again_is_a_duplicate(make: Callable[..., Outbox]) -> None:
    outbox = make()
    outbox.accept([rating("a")])
    assert outcomes(outbox.accept([rating("a")])) == ["duplicate"]
    assert outcomes(outbox.accept([rating("a", received_at_ms=NOW_MS + 99)])) == ["duplicate"]


def test_another_event_of_the_same_id_is_a_conflict(make: Callable[..., Outbox]) -> None:
    outbox = make()
    outbox.accept([rating("a")])
    others = [rating("a", rating=1.0), rating("a", user="u2"), rating("a", timestamp_ms=NOW_MS - 1)]
    for other in [*others, watch("a"), search("a")]:
        assert outcomes(outbox.accept([other])) == ["conflict"]
    assert outcomes(outbox.accept([rating("a")])) == ["duplicate"]


def test_ids_repeat_within_one_batch_too(make: Callable[..., Outbox]) -> None:
    batch = [rating("a"), rating("a"), rating("a", rating=1.0), rating("b")]
    assert outcomes(make().accept(batch)) == ["accepted", "duplicate", "conflict", "accepted"]


def test_an_arrival_time_is_not_compared(make: Callable[..., Outbox]) -> None:
    outbox = make()
    for at_ms in (NOW_MS, NOW_MS + 60_000):
        event = rating("a", timestamp_ms=at_ms, received_at_ms=at_ms, client_timestamp=False)
        answer = outbox.accept([event])[0]
    assert answer.outcome is Outcome.DUPLICATE


def test_ratings_above_the_quota_are_refused_and_the_rest_is_kept(
    make: Callable[..., Outbox],
) -> None:
    outbox = make(2)
    mine = [rating("a"), rating("b"), rating("c"), watch("d"), rating("e", user="u2")]
    answers = outbox.accept(mine)
    assert outcomes(answers) == ["accepted", "accepted", "over_quota", "accepted", "accepted"]
    assert answers[2].retry_after_s is not None
    assert 0 < answers[2].retry_after_s <= 3600
    assert outcomes(outbox.accept([rating("a"), rating("f")])) == ["duplicate", "over_quota"]


def test_an_undo_needs_no_quota_and_gives_none_back(make: Callable[..., Outbox]) -> None:
    outbox = make(2)
    for event in (rating("a"), undo("u"), rating("b")):
        assert outcomes(outbox.accept([event])) == ["accepted"]
    answers = outbox.accept([undo("v", item="m2"), rating("c"), undo("u")])
    assert outcomes(answers) == ["accepted", "over_quota", "duplicate"]


def test_a_closed_outbox_takes_nothing(make: Callable[..., Outbox]) -> None:
    outbox = make()
    outbox.close()
    with pytest.raises(StoreUnavailable):
        outbox.accept([rating("a")])


def test_a_closed_outbox_says_so_when_asked_for_its_depth(make: Callable[..., Outbox]) -> None:
    outbox = make()
    assert outbox.depth() == 0
    outbox.close()
    with pytest.raises(StoreUnavailable):
        outbox.depth()


def test_an_outbox_that_fails_has_no_depth_until_it_accepts_again(
    make: Callable[..., Outbox],
) -> None:
    outbox = make()
    outbox.accept([rating("a")])
    with failing(outbox):
        with pytest.raises(StoreUnavailable):
            outbox.accept([rating(f"e{i}", item="m" * 100) for i in range(200)])
        with pytest.raises(StoreUnavailable):
            outbox.depth()
    assert outcomes(outbox.accept([rating("b")])) == ["accepted"]
    assert outbox.depth() == (2 if isinstance(outbox, RelayOutbox) else 0)


def test_events_of_many_threads_are_each_accepted_once(make: Callable[..., Outbox]) -> None:
    outbox = make()
    answers: list[Acceptance] = []

    def post(thread: int) -> None:
        for i in range(40):
            # Each id is posted by two threads.
            answers.extend(outbox.accept([rating(f"{thread // 2}-{i}", user=f"u{thread // 2}")]))

    threads = [threading.Thread(target=post, args=(t,)) for t in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = [a.event_id for a in answers if a.outcome is Outcome.ACCEPTED]
    assert len(answers) == 320
    assert len(accepted) == len(set(accepted)) == 160
    assert outcomes(answers).count("duplicate") == 160


# --- what only a database can show


@pytest.fixture(params=ADAPTERS)
def opened(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> Opened:
    """Opens the outbox of the test, again and again, on each kind of database."""
    return partial(ADAPTERS[request.param], tmp_path, kind)


def test_what_was_accepted_is_known_after_a_restart(opened: Opened) -> None:
    first = opened(ratings_per_hour=1)
    first.accept([rating("a")])
    first.close()
    second = opened(ratings_per_hour=1)
    assert outcomes(second.accept([rating("a"), rating("b")])) == ["duplicate", "over_quota"]
    second.close()


def test_an_event_is_not_accepted_before_it_was_received_though_the_clock_was_set_back(
    opened: Opened
) -> None:
    log = opened(clock_ms=lambda: NOW_MS)
    log.accept([rating("early"), rating("late", received_at_ms=NOW_MS + 3_600_000)])
    with ENGINES[log].connect() as connection:
        query = select(outbox_table.c.event_id, outbox_table.c.accepted_at_ms)
        found = {row.event_id: row.accepted_at_ms for row in connection.execute(query)}
    log.close()
    assert found == {"early": NOW_MS, "late": NOW_MS + 3_600_000}


def test_the_quota_has_room_again_after_an_hour(opened: Opened) -> None:
    now = [NOW_MS]
    log = opened(ratings_per_hour=2, clock_ms=lambda: now[0])
    log.accept([rating("a")])
    now[0] += 600_000
    log.accept([rating("b")])
    answer = log.accept([rating("c")])[0]
    assert answer.retry_after_s == 3000
    now[0] += 3_000_000 - 1
    assert outcomes(log.accept([rating("c")])) == ["over_quota"]
    now[0] += 1
    assert outcomes(log.accept([rating("c"), rating("d")])) == ["accepted", "over_quota"]
    log.close()


def test_a_full_disk_refuses_all_of_a_batch_and_the_writer_lives_on(opened: Opened) -> None:
    log = opened()
    engine = ENGINES[log]
    log.accept([rating("before")])
    batch = [rating(f"e{i}", item="m" * 100) for i in range(200)]
    with full_disk(engine), pytest.raises(StoreUnavailable):
        log.accept(batch)
    assert count(engine, "outbox") == 1
    assert outcomes(log.accept(batch)) == ["accepted"] * 200
    log.close()
    assert count(engine, "outbox") == 201


def test_a_locked_database_refuses_and_later_accepts(opened: Opened) -> None:
    log = opened()
    engine = ENGINES[log]
    with locked(engine), pytest.raises(StoreUnavailable):
        log.accept([rating("a")])
    assert outcomes(log.accept([rating("a")])) == ["accepted"]
    log.close()


def test_a_second_writer_on_the_same_log_loses_nothing(tmp_path: Path) -> None:
    ours, theirs = embedded(tmp_path), embedded(tmp_path)
    for i in range(10):
        ours.accept([rating(f"ours-{i}")])
        theirs.accept([rating(f"theirs-{i}"), rating(f"ours-{i}")])
    ours.close()
    theirs.close()
    with sqlite3.connect(tmp_path / "log.db") as connection:
        offsets = connection.execute('SELECT "offset" FROM outbox ORDER BY sequence').fetchall()
    connection.close()
    assert [offset for (offset,) in offsets] == list(range(20))


def test_a_batch_larger_than_the_queue_is_taken_when_nothing_waits(opened: Opened) -> None:
    log = opened(waiting_max=3)
    assert outcomes(log.accept([rating(f"e{i}") for i in range(10)])) == ["accepted"] * 10
    log.close()
    assert count(ENGINES[log], "outbox") == 10


def test_an_idle_outbox_that_failed_finds_out_that_it_can_write_again(opened: Opened) -> None:
    log = opened()
    engine = ENGINES[log]
    with locked(engine):
        with pytest.raises(StoreUnavailable):
            log.accept([rating("a")])
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="unavailable"):
                log.depth()
            time.sleep(0.05)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert log.depth() == 0
            break
        except StoreUnavailable:
            time.sleep(0.05)
    assert log.depth() == 0
    log.close()
    assert count(engine, "outbox") == 0


def test_a_database_opens_as_the_durable_kind(tmp_path: Path) -> None:
    engine = new_database(tmp_path, "log")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    assert sqlite_url(tmp_path, "log").endswith("log.db")


# --- the decision, recomputed

posts = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["u1", "u2"]), st.sampled_from([1.0, 2.0])),
    max_size=12,
)


@given(posts, posts, st.none() | st.integers(1, 3))
def test_deciding_in_one_batch_or_one_by_one_gives_the_same(
    before: list[tuple[str, str, float]], batch: list[tuple[str, str, float]], limit: int | None
) -> None:
    def event(post: tuple[str, str, float]) -> Event:
        return rating(post[0], user=post[1], rating=post[2])

    known = {post[0]: encode(event(post)) for post in before}
    recent = {u: [NOW_MS - 1] * sum(p[1] == u for p in before) for u in ("u1", "u2")}
    together, fresh = decide([offer(event(p)) for p in batch], known, recent, limit, NOW_MS)
    apart = []
    for post in batch:
        answers, written = decide([offer(event(post))], known, recent, limit, NOW_MS)
        apart += answers
        for each in written:
            known[each.event.event_id] = each.value
            recent[each.event.user_id] = [*recent[each.event.user_id], NOW_MS]
    assert together == apart
    assert len(fresh) == outcomes(together).count("accepted")
