"""Counts how often each film was shown lately, from the response log, for rerankers that ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import orjson

from recommender.request_id import request_id
from recommender.rerank.conditions import ExposureBoard
from recommender.types import AnsweredRecord, answer_failed

ANSWERS_MAX = 50_000
"""Answers read in one run; under more load than this a run begins where the last one ended."""
HALF_LIVES_READ = 4
"""At the start no answer older than this is read: it would count 1/16."""
FORGOTTEN = 1e-3


class ExposureCount:
    """A job. Counts halve in each `half_life_s`; all replicas read the same log.

    Args:
        answers: those above a request id, in the order of time.
        board: where the counts are posted.
        half_life_s: seconds.
        now_ms: the clock, UTC milliseconds.
    """

    def __init__(self, answers: Callable[[str], Iterator[AnsweredRecord]], board: ExposureBoard,
                 half_life_s: float, now_ms: Callable[[], int]) -> None:
        self._answers = answers
        self._board = board
        self._half_life_ms = half_life_s * 1000.0
        self._now_ms = now_ms
        self._counts: dict[str, float] = {}
        self._at_ms = now_ms()
        self._after = request_id(max(0, int(self._at_ms - HALF_LIVES_READ * self._half_life_ms)), 0)

    def run(self) -> None:
        """Add what was answered since the last run, and post the counts when there is any.

        Raises:
            StoreUnavailable: the log does not answer; the next run goes on from here.
        """
        now_ms = self._now_ms()
        listed: dict[bytes, list[str]] = {}  # kept lists come again and again
        added: dict[str, float] = {}
        after = self._after
        for record in islice(self._answers(after), ANSWERS_MAX):
            after = record.request_id
            if answer_failed(record.status):
                continue
            films = listed.get(record.text.digest)
            if films is None:
                films = listed[record.text.digest] = films_of(record)
            worth = 0.5 ** (max(0, now_ms - record.timestamp_ms) / self._half_life_ms)
            for film in films:
                added[film] = added.get(film, 0.0) + worth
        faded = 0.5 ** ((now_ms - self._at_ms) / self._half_life_ms)
        counts = {film: count * faded for film, count in self._counts.items()
                  if count * faded > FORGOTTEN}
        for film, count in added.items():
            counts[film] = counts.get(film, 0.0) + count
        self._counts, self._at_ms, self._after = counts, now_ms, after
        if added:
            self._board.post(counts)


def films_of(record: AnsweredRecord) -> list[str]:
    """The films of a logged answer."""
    return [film["item_id"] for film in orjson.loads(record.body).get("recommendations", ())]
