"""Answers onto the topics of an outer bus, behind the requests, at least once each."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from recommender.answer_events import answer_messages
from recommender.errors import BusUnavailable, PartlyPublished, StoreUnavailable
from recommender.ports import AnswerQueue, EventBus
from recommender.types import AnsweredRecord

AT_ONCE = 500
_IDLE_S = 0.5
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.5, 10.0
_log = structlog.get_logger(__name__)


class AnswerPublisher:
    """A thread that reads what the response log has written, publishes it, and notes that.

    A crash between the two, or a lost acknowledgement, publishes an answer twice; readers know it
    by its request id. While the bus is away answers wait in the response log.

    Args:
        queue: of the response log.
        bus: where to.
        mine: whether this process has the turn, asked before each batch: replicas take turns.
    """

    def __init__(
        self, queue: AnswerQueue, bus: EventBus, mine: Callable[[], bool] = lambda: True
    ) -> None:
        self._queue = queue
        self._bus = bus
        self._mine = mine
        self._problem: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="answers", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """End after the batch at hand; whether it did. What is not published stays for later."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def problem(self) -> str | None:
        """Why answers wait; None when they do not, or when another replica has the turn.

        The bus may be well for everything else: topics of answers have rights of their own.
        """
        return self._problem

    # --- the thread

    def _run(self) -> None:
        pause_s = _PAUSE_MIN_S
        while not self._stopping.is_set():
            try:
                idle = not self._turn()
                self._problem, pause_s = None, _PAUSE_MIN_S
                if idle:
                    self._stopping.wait(_IDLE_S)
                continue
            except (BusUnavailable, StoreUnavailable) as error:
                self._problem = f"answers wait: {error}"
                _log.warning("answers_wait", pause_s=pause_s, error=str(error))
            except Exception as error:  # noqa: BLE001  ending would hold back all answers to come
                self._problem = f"answers wait: {error!r}"
                _log.exception("answers_failed", pause_s=pause_s)
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)

    def _turn(self) -> bool:
        """Publish a batch; False when there is nothing to do."""
        if not self._mine():
            return False
        batch = self._queue.oldest(AT_ONCE)
        if not batch:
            return False
        try:
            self._bus.publish(answer_messages(batch))
        except PartlyPublished as error:
            # Two messages an answer: those with both are done, the others are tried again.
            failed = {at // 2 for at in error.unpublished}
            self._note([each for at, each in enumerate(batch) if at not in failed])
            raise
        self._note(batch)
        return True

    def _note(self, records: list[AnsweredRecord]) -> None:
        self._queue.done([record.request_id for record in records])
