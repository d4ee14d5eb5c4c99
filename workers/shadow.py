"""Asks a candidate the requests that others were answered by, behind them and never in their way.

Requests wait in a bounded queue. What does not fit, and what comes faster than allowed, is left out
and counted: under load the shadow is the first to go. Nothing of it reaches an answer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

import structlog

from recommender.audit.documents import instant
from recommender.errors import StoreUnavailable
from recommender.experiments.rollout import Rollout
from recommender.experiments.shadow import ShadowSummary, compared
from recommender.ports import Rollouts
from recommender.ports.experiments import ExperimentMetrics
from recommender.types import History

_log = structlog.get_logger(__name__)
Configuration = TypeVar("Configuration")
Request = TypeVar("Request")
_WAIT_S = 0.5


class Shadow(Generic[Configuration, Request]):
    """One thread while a shadow runs, none otherwise; `offer` is for the hot path.

    Args:
        load: reads a user's history.
        rank: the films of the candidate for a history and a request.
        shown: the films of a request that were shown.
        per_second: most requests a second.
        waiting_max: most requests that wait.
        clock: UTC milliseconds.
    """

    def __init__(
        self, load: Callable[[str], History],
        rank: Callable[[Configuration, History, Request], tuple[str, ...]],
        shown: Callable[[Request], tuple[str, ...]],
        rollouts: Rollouts, metrics: ExperimentMetrics, per_second: float, waiting_max: int,
        clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._load = load
        self._rank = rank
        self._shown = shown
        self._rollouts = rollouts
        self._metrics = metrics
        self._interval_s = 1.0 / per_second
        self._queue: Queue[tuple[str, Request]] = Queue(waiting_max)
        self._clock = clock
        self._lock = Lock()
        self._next_s = 0.0
        self._share = 0.0
        self._candidate: Configuration | None = None
        self._rollout: Rollout | None = None
        self._summary = ShadowSummary()
        self._told = (0, 0, 0)
        self._stopping = Event()
        self._thread: Thread | None = None

    def offer(self, user_id: str, request: Request) -> None:
        """Note a request that was just answered; returns at once, whatever happens to it."""
        if self._candidate is None or (self._share < 1.0 and random.random() >= self._share):
            return
        now_s = time.monotonic()
        if now_s < self._next_s:
            self._summary.shed += 1
            return
        self._next_s = now_s + self._interval_s
        try:
            self._queue.put_nowait((user_id, request))
        except Full:
            self._summary.shed += 1

    def follow(self, rollout: Rollout, candidate: Configuration | None) -> None:
        """Ask this candidate from now on, nobody for None."""
        with self._lock:
            self._end_thread()
            if candidate is None:
                return
            self._rollout, self._summary, self._told = rollout, ShadowSummary(), (0, 0, 0)
            self._share = rollout.percentage / 100.0
            self._stopping.clear()
            self._thread = Thread(target=self._run, args=(candidate,), name="shadow", daemon=True)
            self._thread.start()
            self._candidate = candidate

    def tell(self) -> None:
        """Store what was found so far, and count it.

        Raises:
            StoreUnavailable: it could not be stored.
        """
        rollout, summary = self._rollout, self._summary
        if rollout is None or self._candidate is None:
            return
        now = summary.scored, summary.shed, summary.failed
        before, self._told = self._told, now
        self._metrics.shadow(now[0] - before[0], now[1] - before[1], now[2] - before[2])
        self._rollouts.note_results(rollout.name, {
            "schema_version": 1, "generated_at": instant(self._clock())} | summary.results())

    def stop(self) -> None:
        """End the thread; what waits is left out."""
        with self._lock:
            self._end_thread()

    def _end_thread(self) -> None:
        self._candidate = None
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        while not self._queue.empty():
            self._queue.get_nowait()

    def _run(self, candidate: Configuration) -> None:
        while not self._stopping.is_set():
            try:
                user_id, request = self._queue.get(timeout=_WAIT_S)
            except Empty:
                continue
            try:
                history = self._load(user_id)
                began = time.perf_counter()
                films = self._rank(candidate, history, request)
                seconds = time.perf_counter() - began
            except StoreUnavailable:
                self._summary.shed += 1
            except Exception as error:  # noqa: BLE001 (a bad candidate must harm nothing)
                self._summary.failed += 1
                _log.warning("shadow_failed", user_id=user_id, error=repr(error))
            else:
                one = compared(self._shown(request), films, seconds)
                self._summary.add(one)
                _log.debug("shadow_scored", user_id=user_id, overlap=one.overlap,
                           seconds=round(seconds, 6))
