"""Answers are logged behind the requests, and found from the moment they are recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from adapters.response_log import SqlResponseLog
from adapters.response_rows import answered_records
from adapters.tables import answer_texts
from recommender.answer_text import AnswerText
from recommender.errors import StoreUnavailable
from recommender.types import AnsweredRecord
from tests.databases_of_tests import full_disk, locked, new_database


def answered(name: str, **changes: object) -> AnsweredRecord:
    record = AnsweredRecord(
        name, 1_763_960_000_000, "u1", "A", "20261121T003000Z", 7, True, 200, 850,
        AnswerText(b'{"request_id":"', b'","generated_at":"'),
    )
    return record._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def engine(tmp_path: Path, kind: str) -> Engine:
    return new_database(tmp_path, "responses", kind)


@pytest.fixture
def log(engine: Engine) -> Iterator[SqlResponseLog]:
    opened = SqlResponseLog(engine, waiting_max=100, flush_s=0.02)
    yield opened
    opened.close()


def test_a_trace_is_there_before_and_after_the_write(engine: Engine) -> None:
    log = SqlResponseLog(engine, flush_s=60)
    log.record(answered("r1"))
    assert log.trace("r1") == answered("r1")
    assert list(answered_records(engine)) == []
    log.flush()
    assert log.trace("r1") == answered("r1")
    assert list(answered_records(engine)) == [answered("r1")]
    assert log.trace("never") is None
    log.close()


def test_a_trace_survives_a_restart(engine: Engine) -> None:
    first = SqlResponseLog(engine)
    text = AnswerText(bytes(range(256)), bytes(range(255, -1, -1)))
    first.record(answered("r1", text=text, is_personalized=False))
    first.close()
    second = SqlResponseLog(engine)
    found = second.trace("r1")
    second.close()
    assert found == answered("r1", text=text, is_personalized=False)
    assert found.is_personalized is False


def test_answers_are_written_without_being_asked(log: SqlResponseLog, engine: Engine) -> None:
    for i in range(50):
        assert log.record(answered(f"r{i:02}"))
    deadline = time.monotonic() + 5
    while log.waiting() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert [a.request_id for a in answered_records(engine)] == [f"r{i:02}" for i in range(50)]
    assert log.dropped() == 0


def test_answers_of_many_threads_are_all_written(engine: Engine) -> None:
    log = SqlResponseLog(engine, flush_s=0.005)

    def record(thread: int) -> None:
        for i in range(200):
            log.record(answered(f"{thread}-{i}"))
            assert log.trace(f"{thread}-{i}") is not None

    threads = [threading.Thread(target=record, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert len(list(answered_records(engine))) == 800


def test_what_does_not_fit_is_dropped_and_counted(engine: Engine) -> None:
    log = SqlResponseLog(engine, waiting_max=3, flush_s=60)
    assert [log.record(answered(f"r{i}")) for i in range(5)] == [True] * 3 + [False] * 2
    assert log.dropped() == 2
    assert log.trace("r4") is None
    log.flush()
    assert log.record(answered("r5"))
    log.close()
    assert log.dropped() == 2


def test_the_same_answer_twice_is_kept_once(log: SqlResponseLog, engine: Engine) -> None:
    for _ in range(2):
        log.record(answered("r1"))
        log.record(answered("r1"))
        log.flush()
    assert len(list(answered_records(engine))) == 1
    assert log.waiting() == 0


def test_a_full_disk_blocks_no_request_and_loses_nothing_that_fits(engine: Engine) -> None:
    log = SqlResponseLog(engine, waiting_max=200, flush_s=0.01)
    with full_disk(engine):
        for i in range(250):
            log.record(answered(f"r{i}", text=AnswerText(b"%d" % i + b"x" * 3000, b"")))
        with pytest.raises(StoreUnavailable):
            log.flush()
        assert log.failures() > 0
        assert log.trace("r0") is not None
    log.flush()
    log.close()
    assert log.dropped() == 50
    assert len(list(answered_records(engine))) == 200


def test_what_cannot_be_written_at_the_end_is_counted_as_dropped(engine: Engine) -> None:
    log = SqlResponseLog(engine, flush_s=60)
    log.record(answered("r1"))
    with locked(engine):
        log.close()
    assert log.dropped() == 1
    assert not log.record(answered("r2"))


def test_an_answer_that_no_database_takes_does_not_stop_the_others(engine: Engine) -> None:
    log = SqlResponseLog(engine, flush_s=60)
    for name, user in (("r1", "u1"), ("r2", "lone \ud800 surrogate"), ("r3", "u3")):
        log.record(answered(name, user_id=user))
    log.close()
    assert [a.request_id for a in answered_records(engine)] == ["r1", "r3"]
    assert log.dropped() == 1


def test_nothing_to_flush_returns_at_once(log: SqlResponseLog) -> None:
    log.flush()
    assert log.waiting() == 0


def test_the_text_of_a_kept_list_is_written_once(log: SqlResponseLog, engine: Engine) -> None:
    for i in range(30):
        log.record(answered(f"r{i:02}"))
        if i % 10 == 0:
            log.flush()
    log.record(answered("r99", text=AnswerText(b"another", b"text")))
    log.flush()
    with engine.connect() as connection:
        texts = connection.execute(select(func.count()).select_from(answer_texts)).scalar()
    assert texts == 2
    assert len({a.body for a in answered_records(engine)}) == 31


def test_a_body_is_put_together_from_its_text_its_id_and_its_time() -> None:
    record = answered("r1")
    assert record.body == (
        b'{"request_id":"r1","generated_at":"2025-11-24T04:53:20.000Z"}}'
    )


def test_a_users_last_answers_come_newest_first_written_or_not(engine: Engine) -> None:
    log = SqlResponseLog(engine, flush_s=60)
    for n in range(6):
        log.record(answered(f"r{n}", user_id="u1" if n % 2 else "u2"))
    log.flush()
    log.record(answered("r7", user_id="u1"))
    log.record(answered("r8", user_id="u2"))
    assert [a.request_id for a in log.newest_of("u1")] == ["r7", "r5", "r3", "r1"]
    assert log.newest_of("u1")[1] == answered("r5")
    assert [a.request_id for a in log.newest_of("u1", limit=2)] == ["r7", "r5"]
    assert [a.request_id for a in log.newest_of("u1", among=2)] == ["r7", "r5"]
    assert log.newest_of("nobody") == []
    assert log.waiting() == 2
    log.close()
