"""The relay: from the outbox to the bus, each event until the bus has acknowledged it."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence

import structlog

from recommender.circuit_breaker import CircuitBreaker
from recommender.errors import BusUnavailable, PartlyPublished, StoreUnavailable
from recommender.ports import EventBus, RelayQueue, Telemetry
from recommender.types import Message, Unsent

_IDLE_S = 0.5
_BACKLOG_EVERY_S = 1.0
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.1, 2.0
_HELD_MIN_S, _HELD_MAX_S = 0.5, 30.0
_log = structlog.get_logger()


class RelayWorker:
    """A thread that takes a batch, publishes it, waits for the acknowledgement, marks it sent.

    A crash between the two, or an acknowledgement that was lost, brings events to the bus a
    second time; they are known by their ids there. While the bus is away the events wait in the
    outbox, however long: a batch is given back and tried again. A topic that the bus refuses, of
    many, is left out for a while, or its rows, being the oldest, would fill every batch.
    """

    def __init__(
        self, queue: RelayQueue, bus: EventBus, telemetry: Telemetry, batch_max: int = 1_000
    ) -> None:
        """`batch_max` bounds what is under way at once, and what a crash can bring twice."""
        self._queue = queue
        self._bus = bus
        self._telemetry = telemetry
        self._batch_max = batch_max
        self._stopping = threading.Event()
        self._unsure: set[int] = set()
        self._held: dict[str, CircuitBreaker] = {}
        """Of topics that were refused: when to try them again."""
        self._went = False
        """Whether anything went since the bus failed altogether."""
        self._next_backlog_s = 0.0
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Finish the batch at hand and end; whether it did. A batch of a bus that is away is left
        to the next start."""
        self._stopping.set()
        self._queue.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # --- the thread

    def _run(self) -> None:
        pause_s = _PAUSE_MIN_S
        while not self._stopping.is_set():
            try:
                if self._turn():
                    pause_s = _PAUSE_MIN_S
                    continue
            except (BusUnavailable, StoreUnavailable) as error:
                _log.warning("relay_waits", pause_s=pause_s, error=str(error))
            except Exception:  # noqa: BLE001  ending here would hold back all events to come
                _log.exception("relay_failed", pause_s=pause_s)
            self._queue.give_back()
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)

    def _turn(self) -> bool:
        """Relay one batch; whether all of it went."""
        self._report_backlog()
        now_s = time.monotonic()
        held = [topic for topic, breaker in self._held.items() if breaker.wait_s(now_s) > 0]
        batch = self._queue.take(self._batch_max, held)
        if not batch:
            self._queue.wait(_IDLE_S)
            return True
        sent = self._publish(batch)
        again = self._unsure & sent
        if again:
            self._telemetry.events_redelivered(len(again))
        self._unsure -= sent
        if sent:
            self._queue.mark_sent(sent)
        return len(sent) == len(batch)

    def _publish(self, batch: Sequence[Unsent]) -> set[int]:
        """Rows that the bus has acknowledged."""
        messages = [Message(row.topic, row.key, row.value, row.accepted_at_ms) for row in batch]
        topics = {row.topic for row in batch}
        failed: set[int] = set()
        try:
            self._bus.publish(messages)
        except PartlyPublished as error:
            _log.warning("relay_partly", unpublished=len(error.unpublished), error=str(error))
            failed = {batch[at].sequence for at in error.unpublished}
            self._unsure |= failed
        except BusUnavailable:
            # Some may be written all the same: only the acknowledgement is missing.
            self._unsure |= {row.sequence for row in batch}
            if len(topics) == 1:
                self._hold_back(topics)
            self._went = False
            raise
        self._went = True
        went = {row.topic for row in batch if row.sequence not in failed}
        for topic in went:
            self._held.pop(topic, None)
        self._hold_back(topics - went)
        return {row.sequence for row in batch} - failed

    def _hold_back(self, topics: Collection[str]) -> None:
        """Leave these out for a time. It grows while others go: then it is not the bus."""
        for topic in topics:
            if topic not in self._held or not self._went:
                self._held[topic] = CircuitBreaker(1, _HELD_MIN_S, _HELD_MAX_S)
            self._held[topic].failed(time.monotonic())

    def _report_backlog(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_backlog_s:
            self._next_backlog_s = now_s + _BACKLOG_EVERY_S
            self._telemetry.relay_backlog(self._queue.backlog())
