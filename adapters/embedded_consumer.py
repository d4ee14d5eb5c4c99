"""Reading the embedded log: members of consumer groups, each with its place in the table."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Engine, bindparam, func, select

from adapters.bulk_insert import ColumnQuery
from adapters.database import reading
from adapters.tables import outbox
from recommender.errors import BusUnavailable, StoreUnavailable
from recommender.types import Record, TopicPartition

_LAST = select(func.max(outbox.c.sequence))
_ROWS = ColumnQuery(
    select(
        outbox.c.sequence, outbox.c.topic, outbox.c.partition, outbox.c.offset, outbox.c.key,
        outbox.c.value, outbox.c.accepted_at_ms,
    )
    .where(
        outbox.c.sequence > bindparam("after"),
        outbox.c.sequence <= bindparam("until"),
        # Written as expressions to keep the planner off the index on (topic, partition, offset),
        # by which it would read and sort whole partitions for each poll.
        outbox.c.topic.concat("").in_(bindparam("topics", expanding=True)),
        (outbox.c.partition + 0).in_(bindparam("partitions", expanding=True)),
    )
    .order_by(outbox.c.sequence)
    .limit(bindparam("most"))
)  # fmt: skip


class LogReader:
    """Queries on the log, and the signal that there is something new."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._changed = threading.Condition()
        self.ticks = 0
        """Grows with each append, wake and rebalance."""
        self.closed = False

    def appended(self) -> None:
        """Wake all waiting consumers to look again."""
        with self._changed:
            self.ticks += 1
            self._changed.notify_all()

    def wait(self, ticks: int, timeout_s: float) -> None:
        """Return when `self.ticks` is no longer `ticks`, or after the time."""
        with self._changed:
            self._changed.wait_for(lambda: self.ticks != ticks, timeout_s)

    def close(self) -> None:
        """Let waiting consumers return; reading raises from now on."""
        self.closed = True
        self.appended()

    def last_sequence(self) -> int:
        """Sequence number of the newest row."""
        with reading(self._engine) as connection:
            return connection.execute(_LAST).scalar() or 0

    def sequence_before(self, partition: TopicPartition, offset: int) -> int | None:
        """The sequence number just before the first row from `offset` on, None without one."""
        query = (
            select(outbox.c.sequence)
            .where(
                outbox.c.topic == partition.topic,
                outbox.c.partition == partition.partition,
                outbox.c.offset >= offset,
            )
            .order_by(outbox.c.offset)
            .limit(1)
        )
        with reading(self._engine) as connection:
            found = connection.execute(query).scalar()
        return None if found is None else found - 1

    def rows(
        self, after: int, until: int, partitions: Iterable[TopicPartition], limit: int
    ) -> list[tuple[int, Record]]:
        """(sequence, record) in the order of the log; records of other partitions may be among."""
        with reading(self._engine) as connection:
            sequences, *fields = _ROWS.fetch(
                connection,
                after=after,
                until=until,
                topics=list({p.topic for p in partitions}),
                partitions=list({p.partition for p in partitions}),
                most=limit,
            )
        found = [(s, Record(*row)) for s, *row in zip(sequences, *fields, strict=True)]
        found.sort(key=lambda pair: pair[0])
        return found

    def reachable(self) -> bool:
        """Whether the database answers."""
        if self.closed:
            return False
        try:
            self.last_sequence()
        except StoreUnavailable:
            return False
        return True


class Groups:
    """Who reads what: in each group partition p of a topic goes to member p modulo their number."""

    def __init__(self, partitions_of: Callable[[str], int], reader: LogReader) -> None:
        """`partitions_of` tells how many partitions a topic has."""
        self._partitions_of = partitions_of
        self._reader = reader
        self._lock = threading.Lock()
        self._members: dict[str, list[EmbeddedConsumer]] = {}

    def join(self, consumer: EmbeddedConsumer) -> None:
        """Divide the partitions of its group anew."""
        with self._lock:
            self._members.setdefault(consumer.group, []).append(consumer)
            self._divide(consumer.group)

    def leave(self, consumer: EmbeddedConsumer) -> None:
        """Give its partitions to the others; nothing happens when it left before."""
        with self._lock:
            members = self._members.get(consumer.group, [])
            if consumer in members:
                members.remove(consumer)
                consumer.assigned = frozenset()
                self._divide(consumer.group)

    def _divide(self, group: str) -> None:
        members = self._members[group]
        shares: dict[EmbeddedConsumer, set[TopicPartition]] = {m: set() for m in members}
        for topic in {t for m in members for t in m.topics}:
            readers = [m for m in members if topic in m.topics]
            for p in range(self._partitions_of(topic)):
                shares[readers[p % len(readers)]].add(TopicPartition(topic, p))
        for member, share in shares.items():
            if share != member.assigned:
                member.assigned = frozenset(share)
        self._reader.appended()


class EmbeddedConsumer:
    """`ports.Consumer` over the embedded log.

    A poll that finds the assignment changed since `assignment` or `poll` was last called returns
    nothing, so that the caller can seek before it reads the new partitions.
    """

    def __init__(
        self, reader: LogReader, groups: Groups, group: str, topics: Sequence[str]
    ) -> None:
        self.group = group
        self.topics = frozenset(topics)
        self.assigned: frozenset[TopicPartition] = frozenset()
        self._reader = reader
        self._groups = groups
        self._seen: frozenset[TopicPartition] | None = None
        self._positions: dict[TopicPartition, int] = {}
        # How far in the table each partition was read; absent until looked up.
        self._read_until: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._woken = False
        self._closed = False
        groups.join(self)

    def assignment(self) -> set[TopicPartition]:
        """As `ports.Consumer.assignment`."""
        self._follow()
        return set(self._seen or ())

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """As `ports.Consumer.seek`."""
        self._positions[partition] = offset
        self._read_until.pop(partition, None)

    def position(self, partition: TopicPartition) -> int:
        """As `ports.Consumer.position`."""
        return self._positions.get(partition, 0)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """As `ports.Consumer.pause`."""
        self._paused.update(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """As `ports.Consumer.resume`."""
        self._paused.difference_update(partitions)

    def wake(self) -> None:
        """As `ports.Consumer.wake`."""
        self._woken = True
        self._reader.appended()

    def close(self) -> None:
        """As `ports.Consumer.close`."""
        self._closed = True
        self._groups.leave(self)

    def poll(self, max_records: int, timeout_s: float) -> list[Record]:
        """As `ports.Consumer.poll`."""
        deadline = time.monotonic() + timeout_s
        while True:
            if self._closed or self._reader.closed:
                raise BusUnavailable("closed")
            ticks = self._reader.ticks
            if self._follow():
                return []
            try:
                records = self._read(max_records)
            except StoreUnavailable as error:
                raise BusUnavailable(str(error)) from error
            remaining_s = deadline - time.monotonic()
            if records or self._woken or remaining_s <= 0:
                self._woken = False
                return records
            self._reader.wait(ticks, remaining_s)

    def _follow(self) -> bool:
        """Take over a new assignment; whether it replaced an earlier one."""
        assigned, seen = self.assigned, self._seen
        if assigned is seen:
            return False
        self._seen = assigned
        if seen is None:
            return False
        kept = assigned & seen
        self._positions = {p: o for p, o in self._positions.items() if p in kept}
        self._read_until = {p: s for p, s in self._read_until.items() if p in kept}
        self._paused &= kept
        return True

    def _read(self, max_records: int) -> list[Record]:
        active = (self._seen or frozenset()) - self._paused
        if not active:
            return []
        # Read before the rows: whatever commits later has a higher sequence number.
        last = self._reader.last_sequence()
        self._look_up(active, last)
        while True:
            after = min(self._read_until[p] for p in active)
            if after >= last:
                return []
            rows = self._reader.rows(after, last, active, max_records)
            until = rows[-1][0] if len(rows) == max_records else last
            records = self._take(rows, active)
            for p in active:
                self._read_until[p] = max(self._read_until[p], until)
            if records:
                return records

    def _look_up(self, active: Iterable[TopicPartition], last: int) -> None:
        for p in active:
            if p not in self._read_until:
                before = self._reader.sequence_before(p, self.position(p))
                self._read_until[p] = last if before is None else min(before, last)

    def _take(
        self, rows: Sequence[tuple[int, Record]], active: Iterable[TopicPartition]
    ) -> list[Record]:
        taken = []
        positions = {(p.topic, p.partition): self.position(p) for p in active}
        for _, record in rows:
            place = (record.topic, record.partition)
            position = positions.get(place)
            if position is not None and record.offset >= position:
                positions[place] = record.offset + 1
                taken.append(record)
        for p in active:
            self._positions[p] = positions[p.topic, p.partition]
        return taken
