"""Answers go from the response log onto the bus, at least once each, and never into the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Engine

from adapters.answer_queue import SqlAnswerQueue
from adapters.job_leases import SqlJobLeases
from adapters.response_erasure import ResponseErasure
from adapters.response_log import SqlResponseLog
from adapters.response_trim import ResponsesTrim
from recommender.answer_text import AnswerText
from recommender.errors import BusUnavailable, PartlyPublished
from recommender.topics import RECOMMENDATION_REQUESTS, RECOMMENDATIONS
from recommender.types import AnsweredRecord, Message
from tests.databases_of_tests import count, new_database
from tests.running_server import soon
from tests.store_of_tests import new_store
from workers.answer_publisher import AnswerPublisher
from workers.held_turn import HeldTurn

NOW_MS = 1_763_960_000_000


def answer(number: int, user: str = "u1") -> AnsweredRecord:
    body = orjson.dumps({"user_id": user, "k": 10, "recommendations": [
        {"item_id": f"m{number}"}, {"item_id": "m9"}], "provenance": {"request_id": "?"}})
    before, between = body.split(b"?")
    text = AnswerText(before, between.removesuffix(b'"}}') + b'","generated_at":"')
    return AnsweredRecord(f"request-{number:04d}", NOW_MS + number, user, "A", "v1", 7, True, 200,
                          850, text)


class Bus:
    """Keeps messages; `refuses` are places in the next batch it does not take, None is all."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.refuses: set[int] | None = set()

    def publish(self, messages: Sequence[Message]) -> None:
        if self.refuses is None:
            raise BusUnavailable("away")
        refused, self.refuses = self.refuses, set()
        self.messages += [m for at, m in enumerate(messages) if at not in refused]
        if refused:
            raise PartlyPublished("some", frozenset(refused))

    def ids(self, topic: str) -> list[str]:
        return [orjson.loads(m.value)["request_id"] for m in self.messages if m.topic == topic]


@pytest.fixture
def engine(tmp_path: Path, kind: str) -> Engine:
    return new_database(tmp_path, "responses", kind)


@pytest.fixture
def log(engine: Engine) -> Iterator[SqlResponseLog]:
    made = SqlResponseLog(engine, flush_s=0.001, for_topics=True)
    yield made
    made.close()


def fill(log: SqlResponseLog, numbers: range) -> None:
    for number in numbers:
        log.record(answer(number))
    log.flush()


@pytest.fixture
def publishing(engine: Engine) -> Iterator[tuple[Bus, AnswerPublisher]]:
    bus = Bus()
    publisher = AnswerPublisher(SqlAnswerQueue(engine), bus)  # type: ignore[arg-type]
    yield bus, publisher
    publisher.stop()


def test_answers_wait_in_the_queue_until_they_are_noted(
    log: SqlResponseLog, engine: Engine
) -> None:
    queue = SqlAnswerQueue(engine)
    fill(log, range(5))
    assert [r.request_id for r in queue.oldest(3)] == [f"request-{n:04d}" for n in range(3)]
    assert queue.oldest(9) == [answer(n) for n in range(5)]
    queue.done(["request-0000", "request-0003"])
    assert queue.backlog() == 3 and count(engine, "responses") == 5


def test_each_answer_is_told_on_both_topics_under_the_key_of_its_user(
    log: SqlResponseLog, engine: Engine, publishing: tuple[Bus, AnswerPublisher]
) -> None:
    bus, publisher = publishing
    fill(log, range(1200))
    publisher.start()
    soon(lambda: SqlAnswerQueue(engine).backlog() == 0, 30)
    for topic in (RECOMMENDATIONS, RECOMMENDATION_REQUESTS):
        assert bus.ids(topic) == [f"request-{n:04d}" for n in range(1200)]
    response = next(m for m in bus.messages if m.topic == RECOMMENDATIONS)
    assert response.key == "u1" and orjson.loads(response.value) == {
        "request_id": "request-0000", "user_id": "u1", "item_ids": ["m0", "m9"], "variant": "A",
        "model_version": "v1", "is_personalized": True, "latency_ms": 0.85, "status": 200,
        "timestamp": NOW_MS, "propensities": None}
    request = next(m for m in bus.messages if m.topic == RECOMMENDATION_REQUESTS)
    assert orjson.loads(request.value) == {
        "request_id": "request-0000", "user_id": "u1", "k": 10, "timestamp": NOW_MS}


def test_while_the_bus_is_away_answers_wait_and_what_it_took_is_not_sent_again(
    log: SqlResponseLog, engine: Engine, publishing: tuple[Bus, AnswerPublisher]
) -> None:
    bus, publisher = publishing
    queue = SqlAnswerQueue(engine)
    bus.refuses = None
    fill(log, range(4))
    publisher.start()
    with pytest.raises(AssertionError):
        soon(lambda: queue.backlog() < 4, 1)
    assert publisher.problem() == "answers wait: away"
    bus.refuses = {3}  # the response of the second answer
    soon(lambda: queue.backlog() == 0, 20)
    soon(lambda: publisher.problem() is None)
    assert bus.ids(RECOMMENDATIONS).count("request-0001") == 1
    assert bus.ids(RECOMMENDATION_REQUESTS).count("request-0001") == 2  # at least once
    assert bus.ids(RECOMMENDATIONS).count("request-0000") == 1


def test_without_an_outer_bus_nothing_is_queued(engine: Engine) -> None:
    log = SqlResponseLog(engine, flush_s=0.001)
    fill(log, range(3))
    log.close()
    assert SqlAnswerQueue(engine).backlog() == 0


def test_what_is_trimmed_or_erased_is_not_published(log: SqlResponseLog, engine: Engine) -> None:
    fill(log, range(3))
    log.record(answer(7, "u2"))
    log.flush()
    ResponseErasure(engine).erase("u2", NOW_MS)
    list(ResponsesTrim(engine).steps(NOW_MS + 2))
    assert [r.request_id for r in SqlAnswerQueue(engine).oldest(9)] == ["request-0002"]
    assert SqlAnswerQueue(engine).backlog() == 1


def test_of_two_replicas_one_has_the_turn_and_keeps_it(tmp_path: Path, kind: str) -> None:
    leases = SqlJobLeases(new_store(tmp_path, kind))
    one, two = (HeldTurn(leases, "answers", name) for name in ("one", "two"))
    assert [one.mine(), two.mine(), one.mine(), two.mine()] == [True, False, True, False]
