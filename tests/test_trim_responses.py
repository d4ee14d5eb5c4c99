"""Old answers go, and texts that no answer names; a text that one may still name stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from adapters.response_log import TEXT_KNOWN_S, SqlResponseLog
from adapters.response_rows import answered_records
from adapters.response_trim import ResponsesTrim
from recommender.answer_text import AnswerText
from recommender.types import AnsweredRecord
from tests.databases_of_tests import count, new_database

START_MS = 1_763_960_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.fixture
def engine(tmp_path: Path, kind: str) -> Engine:
    return new_database(tmp_path, "responses", kind)


class World:
    """A log whose clock and whose answers share a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ms = START_MS
        self.number = 0
        self.log = SqlResponseLog(engine, flush_s=0.001, clock_s=lambda: self.ms / 1000)

    def answer(self, text: str, user: str = "u1") -> str:
        self.number += 1
        name = f"{self.ms:015d}-{self.number:04d}"
        self.log.record(AnsweredRecord(
            name, self.ms, user, "A", "20261121T003000Z", 7, True, 200, 850,
            AnswerText(b'{"text":"' + text.encode(), b'","at":"')))
        self.log.flush()
        return name

    def trim(self, kept_ms: int = DAY_MS) -> int:
        return sum(ResponsesTrim(self.engine).steps(self.ms - kept_ms))


@pytest.fixture
def world(engine: Engine) -> Iterator[World]:
    made = World(engine)
    yield made
    made.log.close()


def test_old_answers_go_and_their_texts_after_them(world: World, engine: Engine) -> None:
    old = [world.answer("old") for _ in range(3)]
    world.ms += DAY_MS + 1
    new = world.answer("new")
    assert world.trim() == 3
    assert [record.request_id for record in answered_records(engine)] == [new]
    assert world.log.trace(old[0]) is None
    assert count(engine, "answer_texts") == 2
    world.ms += 3 * HOUR_MS
    assert world.trim() == 1
    assert count(engine, "answer_texts") == 1
    assert world.log.trace(new) is not None


def test_a_text_that_is_answered_again_and_again_is_never_missing(
    world: World, engine: Engine
) -> None:
    # Each hour and a bit the same answer, for days; each trace can be read until its day is over.
    made: list[tuple[int, str]] = []
    for _ in range(60):
        made.append((world.ms, world.answer("the same")))
        world.ms += HOUR_MS * 7 // 5
        world.trim()
        for at_ms, name in made:
            assert (world.log.trace(name) is not None) == (at_ms >= world.ms - DAY_MS)
    assert count(engine, "answer_texts") == 1


def test_within_the_hour_a_text_is_written_once(world: World, engine: Engine) -> None:
    for _ in range(5):
        world.answer("a")
        world.ms += TEXT_KNOWN_S * 1000 // 10
    assert count(engine, "answer_texts") == 1 and count(engine, "responses") == 5


def test_a_log_told_that_texts_were_removed_writes_them_again(
    world: World, engine: Engine
) -> None:
    world.answer("a")
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM responses")
        connection.exec_driver_sql("DELETE FROM answer_texts")
    world.log.forget_texts()
    assert world.log.trace(world.answer("a")) is not None
    assert count(engine, "answer_texts") == 1
