"""The ingest worker: from the bus to the event store, each event applied once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence

import structlog

from recommender.errors import BusUnavailable, StoreUnavailable
from recommender.ports import Consumer, EventBus, EventStore, Telemetry
from recommender.record_batch import RecordBatch, dead_letter, read_batch
from recommender.schemas import Columns, event_frame
from recommender.topics import EVENT_TOPICS
from recommender.types import Applied, Record, TopicPartition
from workers.dead_letter_post import DeadLetterPost

OnApplied = Callable[[Collection[str], Applied, float | None], None]
"""Called after each commit: users in the batch, what was done, freshness (the age in seconds of
the oldest event of the batch since it was received; None without events)."""

INGEST = "ingest"
"""The consumer group of the replicas' ingest workers."""
_POLL_S = 0.5
_LAG_EVERY_S = 1.0
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.1, 5.0
_log = structlog.get_logger()


class IngestWorker:
    """A thread that polls, validates, and applies batches.

    Offsets live in the store, in the transaction of the events they stand for. After any failure
    the worker seeks to them again, so a record is neither lost nor skipped, and one read twice
    changes nothing. A record that cannot be applied becomes a dead letter and never blocks.
    While the store takes nothing the partitions are paused, and polled all the same: whoever is
    silent for long loses its place in the group.

    Attributes:
        behind: records not yet applied, as of the last second.
        waits_for: the failure after which it pauses before it tries again, None while all is well.
    """

    def __init__(
        self,
        bus: EventBus,
        store: EventStore,
        telemetry: Telemetry,
        clock_ms: Callable[[], int],
        on_applied: OnApplied | None = None,
        batch_max: int = 5_000,
        linger_s: float = 0.1,
        group: str = INGEST,
        topics: Sequence[str] = EVENT_TOPICS,
    ) -> None:
        """`linger_s` is the least time between two transactions under load; `group` is the
        consumer group on the bus."""
        self._bus = bus
        self._store = store
        self._telemetry = telemetry
        self._clock_ms = clock_ms
        self._on_applied = on_applied
        self._batch_max = batch_max
        self._linger_s = linger_s
        self._group = group
        self._topics = topics
        self._post = DeadLetterPost(bus, store)
        self._stopping = threading.Event()
        self._consumer: Consumer | None = None
        self._followed: set[TopicPartition] | None = None
        self._next_apply_s = 0.0
        self._next_lag_s = 0.0
        self.behind = 0
        self.waits_for: str | None = None
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Finish the batch at hand (its offsets are stored with it) and end; whether it did."""
        self._stopping.set()
        consumer = self._consumer
        if consumer is not None:
            consumer.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    # --- the thread

    def _run(self) -> None:
        pause_s = _PAUSE_MIN_S
        while not self._stopping.is_set():
            bus_away = False
            try:
                self._turn()
                pause_s = _PAUSE_MIN_S
                self.waits_for = None
                continue
            except (BusUnavailable, StoreUnavailable) as error:
                self.waits_for = str(error)
                _log.warning("ingest_waits", pause_s=pause_s, error=str(error))
                bus_away = isinstance(error, BusUnavailable)
            except Exception as error:  # noqa: BLE001  ending here would stop the intake for good
                self.waits_for = repr(error)
                _log.exception("ingest_failed", pause_s=pause_s)
            self._followed = None
            if not bus_away:
                self._read_nothing(pause_s)
            else:
                self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)
        if self._consumer is not None:
            self._consumer.close()

    def _read_nothing(self, pause_s: float) -> None:
        """Let the time pass, and stay in the group."""
        deadline_s = time.monotonic() + pause_s
        consumer = self._consumer
        if consumer is not None:
            held = consumer.assignment()
            consumer.pause(held)
            try:
                consumer.poll(1, pause_s)
            except BusUnavailable as error:
                _log.info("bus_away_while_waiting", error=str(error))
            finally:
                consumer.resume(held)
        self._stopping.wait(max(0.0, deadline_s - time.monotonic()))

    def _turn(self) -> None:
        if self._consumer is None:
            self._consumer = self._bus.consumer(self._group, self._topics)
        self._follow_assignment(self._consumer)
        if self._post.due:
            self._post.catch_up()
        self._stopping.wait(max(0.0, self._next_apply_s - time.monotonic()))
        records = self._consumer.poll(self._batch_max, _POLL_S)
        if records:
            self._next_apply_s = time.monotonic() + self._linger_s
            self._apply(records)
        self._report_lag(self._consumer)

    def _follow_assignment(self, consumer: Consumer) -> None:
        assigned = consumer.assignment()
        if assigned == self._followed:
            return
        stored = self._store.offsets(offsets_group(self._group, self._bus.cluster_id))
        ends = self._bus.end_offsets(self._topics)
        for partition in assigned - (self._followed or set()):
            offset = stored.get(partition, 0)
            if offset > ends.get(partition, 0):
                # Not the log that was read before (lost, or restored from a copy). Reading all
                # of it is safe: events are known by their ids.
                _log.warning("log_shorter_than_offset", partition=str(partition), offset=offset)
                offset = 0
            consumer.seek(partition, offset)
        self._followed = assigned

    def _apply(self, records: Sequence[Record]) -> None:
        try:
            batch = read_batch(records, self._bus.cluster_id, self._clock_ms())
            done = self._store_batch(batch)
        except (StoreUnavailable, BusUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  no record may block those behind it
            _log.error("batch_cannot_be_applied", records=len(records), error=repr(error))
            if len(records) > 1:
                half = len(records) // 2
                self._apply(records[:half])
                self._apply(records[half:])
                return
            batch = _only_letter(self._bus.cluster_id, records[0], repr(error))
            done = self._store_batch(batch)
        self._announce(batch, done)
        if done.erased:
            _log.info("events_of_erased_people_dropped", events=done.erased)
        if done.letters:
            _log.warning(
                "dead_letters", letters=len(done.letters), first_reason=done.letters[0].reason
            )
            self._post.send(done.letters)

    def _store_batch(self, batch: RecordBatch) -> Applied:
        group = offsets_group(self._group, batch.cluster_id)
        return self._store.apply(batch.frame, batch.offsets, batch.letters, group, batch.set_aside)

    def _announce(self, batch: RecordBatch, done: Applied) -> None:
        frame = batch.frame
        freshness_s: float | None = None
        if len(frame):
            oldest_ms = int(frame[Columns.RECEIVED].min())
            freshness_s = max(0.0, (self._clock_ms() - oldest_ms) / 1000)
        # The commit is done: what fails from here on must not undo or repeat it.
        try:
            self._telemetry.events_applied(done.applied)
            self._telemetry.events_duplicate(done.duplicates)
            self._telemetry.events_dead_lettered(len(done.letters))
            if done.applied and freshness_s is not None:
                self._telemetry.freshness(freshness_s)
            if self._on_applied is not None:
                users = set(frame[Columns.USER])
                self._on_applied(users, done, freshness_s)
        except Exception:  # noqa: BLE001  see above
            _log.exception("announcement_of_applied_events_failed")

    def _report_lag(self, consumer: Consumer) -> None:
        now_s = time.monotonic()
        if now_s < self._next_lag_s:
            return
        self._next_lag_s = now_s + _LAG_EVERY_S
        ends = self._bus.end_offsets(self._topics)
        behind = {
            partition: max(0, ends.get(partition, 0) - consumer.position(partition))
            for partition in self._followed or ()
        }
        self._telemetry.consumer_lag(behind)
        self.behind = sum(behind.values())


def offsets_group(group: str, cluster_id: str) -> str:
    """The name under which the store keeps a group's offsets in one log.

    Offsets belong to one log: a new log must not start behind the offsets of a lost one.
    """
    return f"{group}/{cluster_id}"


def _only_letter(cluster_id: str, record: Record, reason: str) -> RecordBatch:
    place = TopicPartition(record.topic, record.partition)
    return RecordBatch(
        cluster_id,
        event_frame([()] * len(Columns.EVENT)),
        (),
        (dead_letter(cluster_id, record, f"cannot be applied: {reason}"),),
        {place: record.offset + 1},
    )
