"""Answers are read in windows, in the order in which they were asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from adapters.answer_window import SqlAnswerWindow
from adapters.response_log import SqlResponseLog
from recommender.answer_text import AnswerText
from recommender.request_id import request_id
from recommender.types import AnsweredRecord
from tests.databases_of_tests import new_database


def text(*films: str) -> AnswerText:
    shown = ",".join(f'{{"rank":1,"item_id":"{film}"}}' for film in films)
    before = f'{{"user_id":"u","recommendations":[{shown}],"provenance":{{"request_id":"'
    return AnswerText(before.encode(), b'","generated_at":"')


def answered(asked_ms: int, answered_ms: int, *films: str) -> AnsweredRecord:
    return AnsweredRecord(request_id(asked_ms, asked_ms), answered_ms, f"u{asked_ms}", "B",
                          "20261121T003000Z", 7, True, 200, 850, text(*films))


@pytest.fixture
def engine(tmp_path: Path, kind: str) -> Engine:
    return new_database(tmp_path, "responses", kind)


@pytest.fixture
def window(engine: Engine) -> Iterator[SqlAnswerWindow]:
    log = SqlResponseLog(engine)
    for record in (answered(10, 12, "a", "b"), answered(20, 90, "c"), answered(30, 31, "a", "b"),
                   answered(40, 41)):
        log.record(record)
    log.flush()
    yield SqlAnswerWindow(engine)
    log.close()


def test_windows_follow_each_other(window: SqlAnswerWindow) -> None:
    first = window.answers("", 1_000, 3)
    assert [a.user_id for a in first] == ["u10", "u20", "u30"]
    rest = window.answers(first[-1].request_id, 1_000, 3)
    assert [a.user_id for a in rest] == ["u40"]
    assert window.answers(rest[-1].request_id, 1_000, 3) == []
    one = first[0]
    assert (one.timestamp_ms, one.variant, one.model_version, one.status, one.latency_us) == (
        12, "B", "20261121T003000Z", 200, 850)


def test_a_slow_answer_holds_up_those_asked_for_later(window: SqlAnswerWindow) -> None:
    assert [a.user_id for a in window.answers("", 50, 10)] == ["u10"]
    assert len(window.answers("", 91, 10)) == 4


def test_films_of_texts_are_read_once_for_all_answers_that_share_one(
        window: SqlAnswerWindow) -> None:
    digests = {a.text_digest for a in window.answers("", 1_000, 10)}
    assert len(digests) == 3
    assert sorted(window.shown(digests).values()) == [(), ("a", "b"), ("c",)]
    assert window.shown([]) == {}
