"""Online success of each model version over the last hours, as a gauge and a report."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

from recommender.audit.documents import instant
from recommender.experiments.fixed_horizon import wilson_interval
from recommender.experiments.online_success import watched_within
from recommender.ports import EventStore
from recommender.ports.answer_window import AnswerWindow, GivenAnswer
from recommender.ports.experiments import ExperimentMetrics, ExperimentReports
from recommender.request_id import request_id
from recommender.schemas import Columns
from recommender.serving_configuration import CHOSEN_VARIANT, HOLDOUT_VARIANT
from recommender.types import EventType, answer_failed
from workers.arm_records import ANSWERS_AT_ONCE, EVENTS_AT_ONCE, LATE_MS, first_sequence_since

ONLINE_SUCCESS = "online_success"
_HOUR_MS = 3_600_000
BATCHES_A_RUN = 10
"""Reading takes the interpreter from the requests: after a start it catches up little by little."""


class OnlineSuccess:
    """Counts each answer once, when its window has closed. Counts of hours gone are dropped.

    Lists without personalisation, of the holdout, count apart and for no model; those that someone
    asked for in their own way do not count.

    Args:
        window_ms: within which a watch is a success.
        over_ms: the last hours that are told of.
        clock: UTC milliseconds.
    """

    def __init__(self, window: AnswerWindow, store: EventStore, metrics: ExperimentMetrics,
                 reports: ExperimentReports, clock: Callable[[], int], window_ms: int,
                 over_ms: int) -> None:
        self._window = window
        self._store = store
        self._metrics = metrics
        self._reports = reports
        self._clock = clock
        self._window_ms = window_ms
        self._over_ms = over_ms
        self._lock = Lock()
        self._after: str | None = None
        self._counted_ms = 0
        self._sequence = 0
        self._watches: deque[tuple[int, str, str]] = deque()
        self._counts: Counter[tuple[int, str]] = Counter()
        self._successes: Counter[tuple[int, str]] = Counter()

    def run(self) -> None:
        """Count what has closed since the last time.

        Raises:
            StoreUnavailable: a database does not answer; the next run goes on.
            OSError: the report cannot be written.
        """
        with self._lock:
            now_ms = self._clock()
            if self._after is None:
                since_ms = now_ms - self._over_ms
                self._after, self._counted_ms = request_id(since_ms, 0), since_ms
                self._sequence = first_sequence_since(self._store, since_ms)
            self._read_watches()
            closed_ms = now_ms - self._window_ms - LATE_MS
            for _ in range(BATCHES_A_RUN):
                found = self._window.answers(self._after, closed_ms, ANSWERS_AT_ONCE)
                if not found:
                    break
                self._count(found)
                self._after = found[-1].request_id
                self._counted_ms = found[-1].timestamp_ms
            self._forget(now_ms)
            self._tell(now_ms)

    def _read_watches(self) -> None:
        for chunk in self._store.event_chunks(self._sequence, EVENTS_AT_ONCE):
            watched = chunk[chunk[Columns.TYPE] == EventType.WATCH.value]
            self._watches.extend(zip(watched[Columns.TIMESTAMP].tolist(),
                                     watched[Columns.USER].tolist(),
                                     watched[Columns.ITEM].tolist(), strict=True))
            self._sequence = int(chunk[Columns.SEQUENCE].iloc[-1])

    def _count(self, found: list[GivenAnswer]) -> None:
        answers = [answer for answer in found if not answer_failed(answer.status)
                   and answer.variant != CHOSEN_VARIANT]
        films: dict[str, int] = {}
        users: dict[str, int] = {}
        shown = self._window.shown({answer.text_digest for answer in answers})
        lists = [[films.setdefault(film, len(films)) for film in shown.get(a.text_digest, ())]
                 for a in answers]
        padded = np.full((len(lists), max(map(len, lists), default=1) or 1), -1, np.int64)
        for row, of in enumerate(lists):
            padded[row, : len(of)] = of
        who = np.array([users.setdefault(a.user_id, len(users)) for a in answers], np.int64)
        at_ms = np.array([a.timestamp_ms for a in answers], np.int64)
        watches = np.array([(users[user], films[film], at) for at, user, film in self._watches
                            if user in users and film in films], np.int64).reshape(-1, 3)
        watchers, watched, watched_ms = watches.T
        success = watched_within(who, at_ms, padded, watchers, watched, watched_ms,
                                 self._window_ms)
        for answer, succeeded in zip(answers, success.tolist(), strict=True):
            apart = answer.variant == HOLDOUT_VARIANT
            key = answer.timestamp_ms // _HOUR_MS, (
                HOLDOUT_VARIANT if apart else answer.model_version)
            self._counts[key] += 1
            self._successes[key] += succeeded

    def _forget(self, now_ms: int) -> None:
        oldest = (now_ms - self._over_ms) // _HOUR_MS
        for counts in (self._counts, self._successes):
            for key in [key for key in counts if key[0] < oldest]:
                del counts[key]
        # A watch before all answers that are still to be counted can be no success of theirs.
        enough_ms = self._counted_ms - _HOUR_MS
        while self._watches and self._watches[0][0] < enough_ms:
            self._watches.popleft()

    def _tell(self, now_ms: int) -> None:
        counts: Counter[str] = Counter()
        successes: Counter[str] = Counter()
        for (_, of), count in self._counts.items():
            counts[of] += count
        for (_, of), count in self._successes.items():
            successes[of] += count
        found = {of: {"answers": count, "successes": successes[of], "ratio": successes[of] / count,
                      "interval": wilson_interval(successes[of], count)}
                 for of, count in sorted(counts.items(), reverse=True)}
        holdout = found.pop(HOLDOUT_VARIANT, None)
        versions: list[dict[str, Any]] = [
            {"model_version": version} | line for version, line in found.items()]
        self._metrics.online_success({v["model_version"]: v["ratio"] for v in versions})
        self._reports.write(ONLINE_SUCCESS, {
            "schema_version": 1, "generated_at": instant(now_ms),
            "window": {"from": instant(now_ms - self._over_ms), "to": instant(now_ms),
                       "watched_within_s": self._window_ms // 1000},
            "lists": counts.total(), "versions": versions, "holdout": holdout,
        })
