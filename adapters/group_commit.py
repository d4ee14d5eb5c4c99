"""Group commit: many callers, one writer thread, one transaction for all that wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog

from recommender.errors import StoreUnavailable

Work = TypeVar("Work")
Answer = TypeVar("Answer")
_log = structlog.get_logger()
GATHER_S, GATHER_AFTER = 0.003, 8
"""How long, and after how many works in a batch: with 32 connections a tenth more ratings a second
(`make bench-events`). Two callers in turn would be slowed to a third by it."""


class GroupCommit(Generic[Work, Answer]):
    """Hands the work of all waiting callers to `commit` at once, in a thread of its own.

    `commit` gets the works in the order of arrival, returns one answer for each after its
    transaction is on disk, and raises when nothing of it was written; then every caller of that
    batch gets StoreUnavailable and the thread goes on. While a commit waits for the disk the
    next batch gathers, and for `GATHER_S` more when the last one held many works: so batches grow
    with the load, also where the disk is fast, and few callers never wait for more.
    """

    def __init__(
        self, name: str, commit: Callable[[Sequence[Work]], Sequence[Answer]], waiting_max: int
    ) -> None:
        """`waiting_max` bounds the sum of the sizes given to `submit` (waiting or in work). Work
        that is larger by itself is taken when no other waits to be begun."""
        self._commit = commit
        self._waiting_max = waiting_max
        self._lock = threading.Lock()
        self._queue: list[_Waiter[Work, Answer]] = []
        self._waiting = 0
        self._closed = threading.Event()
        self._failure: str | None = None
        self._asleep = False
        # A bare lock as signal: a Condition costs several times as much for each caller.
        self._wake = threading.Lock()
        self._wake.acquire()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Work, size: int) -> Answer:
        """Wait until `work` is committed and return its answer.

        Raises:
            StoreUnavailable: nothing of it was written (queue full, commit failed, closed).
        """
        waiter: _Waiter[Work, Answer] = _Waiter(work, size)
        with self._lock:
            if self._closed.is_set():
                raise StoreUnavailable("closed")
            if not self._has_room(size):
                raise StoreUnavailable("too much waits to be written", retry_after_s=1)
            self._enqueue(waiter)
        waiter.done.acquire()
        if waiter.error is not None:
            raise StoreUnavailable(str(waiter.error)) from waiter.error
        assert waiter.answer is not None
        return waiter.answer

    def submit_unawaited(self, work: Work) -> None:
        """Have `work` committed without waiting for it; not when other work waits or when closed.

        What becomes of it shows in `failure`.
        """
        with self._lock:
            if not self._closed.is_set() and not self._queue:
                self._enqueue(_Waiter(work, 0))

    def failure(self) -> str | None:
        """Why nothing can be committed: closed, or the error of the last commit; else None."""
        return "closed" if self._closed.is_set() else self._failure

    def waiting(self) -> int:
        """Sum of the sizes submitted and not yet answered."""
        return self._waiting

    def close(self) -> None:
        """Commit what waits, then stop; `submit` raises from now on."""
        with self._lock:
            self._closed.set()
            if self._asleep:
                self._asleep = False
                self._wake.release()
        self._thread.join()

    def _has_room(self, size: int) -> bool:
        if size > self._waiting_max:
            # It would never fit: refused for ever if it had to.
            return not self._queue
        return self._waiting + size <= self._waiting_max

    def _enqueue(self, waiter: _Waiter[Work, Answer]) -> None:
        self._waiting += waiter.size
        self._queue.append(waiter)
        if self._asleep:
            self._asleep = False
            self._wake.release()

    def _run(self) -> None:
        batch: list[_Waiter[Work, Answer]] = []
        while True:
            if len(batch) >= GATHER_AFTER:
                self._closed.wait(GATHER_S)
            with self._lock:
                batch, self._queue = self._queue, []
                if not batch:
                    if self._closed.is_set():
                        return
                    self._asleep = True
            if batch:
                self._settle(batch)
            else:
                self._wake.acquire()

    def _settle(self, batch: list[_Waiter[Work, Answer]]) -> None:
        try:
            answers = self._commit([waiter.work for waiter in batch])
            for waiter, answer in zip(batch, answers, strict=True):
                waiter.answer = answer
            self._failure = None
        except Exception as error:  # noqa: BLE001  the callers get it; the thread must go on
            _log.error("group_commit_failed", thread=self._thread.name, error=repr(error))
            self._failure = str(error)
            for waiter in batch:
                waiter.error = error
        with self._lock:
            self._waiting -= sum(waiter.size for waiter in batch)
        for waiter in batch:
            waiter.done.release()


class _Waiter(Generic[Work, Answer]):
    """A caller's work and what became of it; `done` is released when that is known."""

    __slots__ = ("answer", "done", "error", "size", "work")

    def __init__(self, work: Work, size: int) -> None:
        self.work = work
        self.size = size
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.done = threading.Lock()
        self.done.acquire()
