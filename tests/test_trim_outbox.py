"""Old records leave the outbox only when they are done with, and no offset is given twice."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from adapters.embedded_log import EmbeddedLog
from adapters.left_behind import unapplied
from adapters.outbox_trim import PAGE_ROWS, OutboxTrim
from adapters.relay_outbox import RelayOutbox
from adapters.relay_queue import SqlRelayQueue
from recommender.topics import EVENT_TOPICS, RATINGS, dead_letter_topic
from recommender.types import Message, Outcome, TopicPartition
from tests.databases_of_tests import count, new_database
from tests.sample_events import NOW_MS, rating

PLACE = TopicPartition(RATINGS, 0)
HOUR = 3_600_000


@pytest.fixture
def engine(tmp_path: Path, kind: str) -> Engine:
    return new_database(tmp_path, "log", kind)


class Clock:
    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


def embedded(engine: Engine, clock: Clock) -> EmbeddedLog:
    return EmbeddedLog(engine, 1, clock_ms=clock)


def trim(engine: Engine, applied: dict[TopicPartition, int], before_ms: int) -> int:
    return sum(OutboxTrim(engine, EVENT_TOPICS, lambda _log: applied).steps(before_ms))


def test_what_is_old_and_applied_goes_and_the_rest_stays(engine: Engine) -> None:
    clock = Clock()
    log = embedded(engine, clock)
    log.accept([rating(f"old-{n}") for n in range(10)])
    clock.ms += HOUR
    log.accept([rating(f"new-{n}") for n in range(3)])
    assert trim(engine, {}, NOW_MS) == 0
    assert trim(engine, {PLACE: 4}, NOW_MS + 1) == 4
    assert trim(engine, {PLACE: 13}, NOW_MS + 1) == 6
    assert count(engine, "outbox") == 3
    # Those not applied were never in danger, whatever their age.
    assert trim(engine, {PLACE: 10}, NOW_MS + 2 * HOUR) == 0
    log.close()


def test_an_event_id_is_known_for_as_long_as_its_record_is_there(engine: Engine) -> None:
    clock = Clock()
    log = embedded(engine, clock)
    log.accept([rating("a"), rating("b")])
    trim(engine, {PLACE: 2}, NOW_MS + 1)
    outcomes = [answer.outcome for answer in log.accept([rating("a"), rating("b")])]
    assert outcomes == [Outcome.ACCEPTED, Outcome.DUPLICATE]  # the newest row always stays
    log.close()


def test_after_everything_was_trimmed_a_restart_goes_on_with_the_offsets(engine: Engine) -> None:
    clock = Clock()
    log = embedded(engine, clock)
    name = log.cluster_id
    log.accept([rating(f"{n}") for n in range(5)])
    log.publish([Message("other", "k", b"{}")])  # the newest row is one of another topic
    log.close()
    assert trim(engine, {PLACE: 5}, NOW_MS + 1) == 5
    assert count(engine, "outbox") == 1
    again = embedded(engine, clock)
    assert again.cluster_id == name
    assert again.end_offsets([RATINGS]) == {PLACE: 5}
    again.accept([rating("next")])
    assert unapplied(engine, lambda _log: {PLACE: 5}, EVENT_TOPICS) == 1
    consumer = again.consumer("g", [RATINGS])
    consumer.poll(1, 0)
    consumer.seek(PLACE, 5)
    (record,) = consumer.poll(10, 5)
    assert record.offset == 5 and b"next" in record.value
    again.close()


def test_dead_letters_in_the_log_go_by_their_age_alone(engine: Engine) -> None:
    clock = Clock()
    log = embedded(engine, clock)
    log.publish([Message(dead_letter_topic(RATINGS), "k", b"{}") for _ in range(3)])
    log.accept([rating("last")])
    assert trim(engine, {}, NOW_MS + 1) == 3
    log.close()


def test_records_for_kafka_go_when_they_are_acknowledged(engine: Engine) -> None:
    clock = Clock()
    queue = SqlRelayQueue(engine, clock)
    outbox = RelayOutbox(engine, queue, clock_ms=clock)
    outbox.accept([rating(f"{n}") for n in range(4)])
    assert trim(engine, {PLACE: 9}, NOW_MS + HOUR) == 0
    batch = queue.take(2)
    queue.mark_sent([row.sequence for row in batch])
    assert trim(engine, {}, NOW_MS + HOUR) == 2
    assert queue.backlog() == 2
    outbox.close()
    queue.close()


def test_trimming_in_pages_while_events_come_in_loses_none(engine: Engine) -> None:
    clock = Clock()
    log = embedded(engine, clock)
    for start in range(0, 2 * PAGE_ROWS, 500):
        log.accept([rating(f"old-{n}") for n in range(start, start + 500)])
    clock.ms += HOUR
    accepted = [answer.event_id for answer in log.accept([rating("new-first")])]
    stop = threading.Event()

    def post() -> None:
        while not stop.is_set():
            (answer,) = log.accept([rating(f"new-{len(accepted)}")])
            accepted.append(answer.event_id)

    thread = threading.Thread(target=post)
    thread.start()
    try:
        steps = OutboxTrim(engine, EVENT_TOPICS, lambda _log: {PLACE: 2 * PAGE_ROWS})
        sizes = []
        for rows in steps.steps(NOW_MS + 1):
            sizes.append(rows)
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join()
    assert sizes == [PAGE_ROWS, PAGE_ROWS]
    assert accepted and count(engine, "outbox") == len(accepted)
    log.close()
