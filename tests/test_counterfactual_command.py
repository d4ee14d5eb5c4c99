"""`fairreel counterfactual` reads draws from the response log and what became of them."""

from __future__ import annotations

import json
import random
from contextlib import closing
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from clock import now_ms
from commands.counterfactual import command
from composition import StoreSide, open_response_log
from recommender.answer_text import AnswerText
from recommender.request_id import request_id
from recommender.schemas import event_frame
from recommender.types import AnsweredRecord
from settings import Settings
from tests.training_world import settings, side

__all__ = ["settings", "side"]  # fixtures
HOUR_MS = 3_600_000


def answer(settings: Settings, user: str, films: list[str], propensities: list[float] | None,
           at_ms: int, status: int = 200) -> None:
    drawn = b"" if propensities is None else b'"propensities":%s,' % orjson.dumps(propensities)
    shown = orjson.dumps({"recommendations": [{"item_id": film} for film in films]})
    text = AnswerText(shown[:-1] + b',"provenance":{"request_id":"',
                      b'",' + drawn + b'"generated_at":"')
    with closing(open_response_log(settings)) as log:
        log.record(AnsweredRecord(request_id(at_ms, random.getrandbits(74)), at_ms, user, "A",
                                  "20260101T000000Z", 1, True, status, 900, text))


def watch(side: StoreSide, watched: list[tuple[str, str, int]]) -> None:
    rows = [(f"{user}-{film}-{at_ms}", 1, "watch", user, film, None, None, None, at_ms, at_ms,
             "test") for user, film, at_ms in watched]
    side.store.apply(event_frame([*zip(*rows, strict=True)]))


def asked(settings: Settings, *arguments: str) -> str:
    return CliRunner().invoke(
        command, [*arguments], catch_exceptions=False, standalone_mode=False,
        env={"FAIRREEL_DATA_FOLDER": str(settings.data_folder)}).output


def report_of(settings: Settings) -> Any:
    return json.loads(asked(settings, "--json"))


def test_without_draws_there_is_no_estimate(settings: Settings, side: StoreSide) -> None:
    answer(settings, "u1", ["i1", "i2"], None, now_ms() - HOUR_MS)
    report = report_of(settings)
    assert (report["draws"], report["as_drawn"], report["even"]) == (0, None, None)


def test_a_draw_counts_by_its_propensity_and_by_what_was_taken_within_the_window(
    settings: Settings, side: StoreSide
) -> None:
    begin_ms = now_ms() - 2 * HOUR_MS
    takers = {f"u{n}" for n in range(0, 60, 3)}
    for n in range(60):
        # Certain places tell nothing; the last was drawn, rarely or often.
        answer(settings, f"u{n}", ["i1", "i2"], [1.0, 0.2 if n % 2 else 0.8], begin_ms)
    answer(settings, "u0", ["i1", "i2"], [1.0, 0.5], begin_ms, status=500)
    answer(settings, "u0", ["i1", "i2"], [1.0, 0.5], now_ms())  # its window is open
    watch(side, [(user, "i2", begin_ms + 60_000) for user in takers])
    watch(side, [("u1", "i2", begin_ms + HOUR_MS), ("u2", "i2", begin_ms - 60_000),
                   ("u4", "i1", begin_ms + 60_000)])  # too late, before, another film
    report = report_of(settings)
    worth = [1 / (0.2 if n % 2 else 0.8) for n in range(60)]
    hits = [f"u{n}" in takers for n in range(60)]
    assert report["draws"] == 60
    assert report["as_drawn"]["value"] == pytest.approx(sum(hits) / 60)
    even = sum(w for w, hit in zip(worth, hits, strict=True) if hit) / sum(worth)
    assert report["even"]["value"] == pytest.approx(even)
    assert report["even"]["low"] < even < report["even"]["high"]
    assert report["even"]["effective"] == pytest.approx(
        sum(worth) ** 2 / sum(w * w for w in worth))


def test_the_lines_say_when_draws_are_too_few(settings: Settings, side: StoreSide) -> None:
    answer(settings, "u1", ["i1"], [0.5], now_ms() - HOUR_MS)
    lines = asked(settings).splitlines()
    assert lines[0].startswith("as drawn: 0.0000 taken of a draw, too few draws for an interval")
    assert lines[1].startswith("even: ")
