"""A broker, topics of their own, the program over empty databases; what lies where in the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, select

from adapters.database import DatabaseName, open_database
from adapters.event_store import SqlEventStore
from adapters.tables import outbox
from benchmarks.fault_load import Load
from benchmarks.ports import free_port
from benchmarks.program import SERVE, Program
from recommender.record_batch import read_batch
from recommender.schemas import Columns
from recommender.topics import EVENT_TOPICS
from recommender.types import Record
from tests.kafka.broker import Broker
from tests.kafka.cluster import Namespace

PARTITIONS = 4
_AT_ONCE = 5_000
_CLOCK_AHEAD_MS = 2 * 3_600_000

_IS_EVENT = outbox.c.topic.in_(EVENT_TOPICS)

@dataclass(frozen=True, slots=True)
class Found:
    """Events of one load: answered for, in the outbox, applied; `resent` are further copies on the
    topics, which is allowed. `state_equal`: the store is as if each row of the outbox had been
    applied once, and as if the topics had been read into an empty store."""

    accepted: int
    stored: int
    applied: int
    lost: int
    doubled: int
    resent: int
    state_equal: bool

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, doubled or left over."""
        return (self.accepted == self.stored == self.applied and not self.lost
                and not self.doubled and self.state_equal)


class FaultSite:
    """Programs on one data folder and one set of topics; faults come one after another."""

    def __init__(
        self, folder: Path, broker: Broker, data: Path | None = None,
        delivery_timeout_s: float = 10.0,
    ) -> None:
        """The databases are in `data`, all else in `folder`."""
        self.folder = folder
        self.data = data or folder / "data"
        self.broker = broker
        self.space = Namespace(broker, PARTITIONS)
        self.space.set_up()
        self.bus = self.space.bus()
        self._settings = {
            "port": str(free_port()),
            "data_folder": str(self.data), "registry_folder": str(folder / "registry"),
            "bus": "kafka", "kafka_bootstrap_servers": json.dumps([broker.address]),
            "kafka_topic_prefix": self.space.prefix, "kafka_group": f"{self.space.prefix}g",
            "topic_partitions": str(PARTITIONS), "ratings_per_hour": "0",
            "rate_limit_per_minute": "1000000000",
            "kafka_delivery_timeout_s": str(delivery_timeout_s),
            "retrain_interval_s": "86400", "snapshot_interval_s": "86400",
        }
        self.program = self.made()

    def made(self, environment: Sequence[str] = (), command: Sequence[str] = SERVE) -> Program:
        """The program, not started, on the same port each time; with this in its environment."""
        whole = ("env", *environment, *command) if environment else tuple(command)
        return Program(self._settings, self.folder / "output", whole)

    def close(self) -> None:
        """End the program and let go of the topics."""
        self.program.kill()
        self.space.close()

    def engine(self, name: DatabaseName) -> Engine:
        """A database of the program, opened beside it."""
        return open_database(f"sqlite:///{self.data}/{name}.db", name)

    @contextmanager
    def store(self) -> Iterator[SqlEventStore]:
        """The program's store, opened beside it."""
        engine = self.engine("store")
        try:
            yield SqlEventStore(engine)
        finally:
            engine.dispose()

    def bus_check(self) -> str:
        """What /ready says of the bus. (Without a model the status itself is no help.)"""
        return str(self.program.ask("GET", "/ready").json()["checks"]["bus"])

    def drained(self, within_s: float) -> float:
        """Seconds until all that was accepted is applied, or the time is over."""
        began = time.monotonic()
        expected = self.stored()
        with self.store() as store:
            while time.monotonic() < began + within_s:
                if store.counts()["events"] >= expected:
                    break
                time.sleep(0.05)
        return time.monotonic() - began

    def found(self, load: Load) -> Found:
        """Count what lies where; the program may run."""
        rows = self._outbox_values()
        on_topics = list(self.on_topics())
        with self.store() as store:
            applied = Counter(
                event_id for frame in store.event_chunks(0, 50_000)
                for event_id in frame[Columns.EVENT_ID])
            state = store.state_hash()
        mine = {e: n for e, n in applied.items() if e.startswith(load.prefix)}
        copies = Counter(e for e in map(event_id_of, on_topics) if e.startswith(load.prefix))
        stored = {e for e in map(event_id_of, rows) if e.startswith(load.prefix)}
        return Found(
            accepted=len(load.accepted), stored=len(stored), applied=len(mine),
            lost=len(load.accepted - stored) + len(stored - mine.keys()),
            doubled=sum(mine.values()) - len(mine),
            resent=copies.total() - len(copies),
            state_equal=state == self._state_of(rows) == self._state_of(on_topics),
        )

    def on_topics(self) -> Iterator[Record]:
        """All that lies on the event topics, from their start."""
        ends = self.bus.end_offsets(EVENT_TOPICS)
        consumer = self.bus.consumer(f"look-{time.monotonic_ns()}", EVENT_TOPICS)
        try:
            left, deadline = sum(ends.values()), time.monotonic() + 120
            while left > 0 and time.monotonic() < deadline:
                records = consumer.poll(_AT_ONCE, 0.5)
                left -= len(records)
                yield from records
        finally:
            consumer.close()

    def stored(self) -> int:
        """Events in the outbox, which holds what trainings tell too."""
        engine = self.engine("log")
        try:
            with engine.connect() as connection:
                count = select(func.count()).select_from(outbox)
                return connection.execute(count.where(_IS_EVENT)).scalar_one()
        finally:
            engine.dispose()

    def _outbox_values(self) -> list[Record]:
        engine = self.engine("log")
        try:
            with engine.connect() as connection:
                c = outbox.c
                query = select(c.topic, c.sequence, c.key, c.value, c.accepted_at_ms)
                rows = connection.execute(query.where(_IS_EVENT).order_by(c.sequence))
                return [Record(topic, 0, at, key, value, ms)
                        for topic, at, key, value, ms in rows]
        finally:
            engine.dispose()

    def _state_of(self, records: Sequence[Record]) -> str:
        """Hash of a store into which these were put."""
        file = self.folder / f"clean-{time.monotonic_ns()}.db"
        engine = open_database(f"sqlite:///{file}", "store")
        try:
            clean, now_ms = SqlEventStore(engine), time.time_ns() // 1_000_000 + _CLOCK_AHEAD_MS
            for start in range(0, len(records), _AT_ONCE):
                batch = read_batch(records[start : start + _AT_ONCE], "clean", now_ms)
                clean.apply(batch.frame)
            return clean.state_hash()
        finally:
            engine.dispose()
            for left in self.folder.glob(f"{file.name}*"):
                left.unlink()


def wait_until(holds: Callable[[], object], within_s: float, what: str) -> float:
    """Seconds until it holds.

    Raises:
        RuntimeError: it did not in time.
    """
    began = time.monotonic()
    while not holds():
        if time.monotonic() > began + within_s:
            raise RuntimeError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def event_id_of(record: Record) -> str:
    """As the record has it, "" when it is none of ours."""
    try:
        found = json.loads(record.value)
    except ValueError:
        return ""
    return str(found.get("event_id", "")) if isinstance(found, dict) else ""
