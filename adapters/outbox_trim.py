"""Takes old records out of the outbox, in short transactions between those of the writers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Engine, bindparam, delete, func, select

from adapters.bulk_insert import ColumnQuery
from adapters.database import reading, writing
from adapters.log_ends import note_ends
from adapters.log_writer import cluster_id
from adapters.tables import outbox
from recommender.types import TopicPartition

PAGE_ROWS = 1_000
_PER_STATEMENT = 500
_PAGE = ColumnQuery(
    select(
        outbox.c.sequence, outbox.c.topic, outbox.c.partition, outbox.c.offset,
        outbox.c.accepted_at_ms, outbox.c.sent_at_ms,
    )
    .where(outbox.c.sequence > bindparam("after"), outbox.c.sequence < bindparam("newest"))
    .order_by(outbox.c.sequence)
    .limit(bindparam("most"))
)  # fmt: skip
_NEWEST = select(func.max(outbox.c.sequence))


class _Row(NamedTuple):
    sequence: int
    topic: str
    partition: int
    offset: int | None
    accepted_at_ms: int
    sent_at_ms: int | None


class OutboxTrim:
    """Removes what is old and done: on Kafka and acknowledged, or applied from the embedded log.

    Records of the embedded log on other topics than `applied_topics` go by their age alone. The
    newest row always stays: SQLite would give its number to another, behind the back of readers.

    Args:
        engine: the database of the log.
        applied_topics: topics whose records have to be applied first.
        stored: the offsets that the store has of a log, by its cluster id.
    """

    def __init__(
        self, engine: Engine, applied_topics: Collection[str],
        stored: Callable[[str], Mapping[TopicPartition, int]],
    ) -> None:  # fmt: skip
        self._engine = engine
        self._applied_topics = frozenset(applied_topics)
        self._stored = stored

    def steps(self, before_ms: int) -> Iterator[int]:
        """One short transaction a step, each yields how many rows went; before UTC ms.

        Raises:
            StoreUnavailable: the database does not answer; what went before stays gone.
        """
        with reading(self._engine) as connection:
            name = cluster_id(connection)
            newest = connection.execute(_NEWEST).scalar() or 0
        applied = {} if name is None else self._stored(name)
        after = 0
        while True:
            with reading(self._engine) as connection:
                columns = _PAGE.fetch(connection, after=after, newest=newest, most=PAGE_ROWS)
            rows = sorted(_Row(*row) for row in zip(*columns, strict=True))
            old = [row for row in rows if row.accepted_at_ms < before_ms]
            if not old:
                return  # they lie in the order of time
            done = [row for row in old if self._done(row, applied)]
            if done:
                yield self._remove(done)
            after = rows[-1].sequence

    def _done(self, row: _Row, applied: Mapping[TopicPartition, int]) -> bool:
        if row.offset is None:
            return row.sent_at_ms is not None
        if row.topic not in self._applied_topics:
            return True
        return row.offset < applied.get(TopicPartition(row.topic, row.partition), 0)

    def _remove(self, rows: list[_Row]) -> int:
        removed = 0
        with writing(self._engine) as connection:
            note_ends(connection, (
                (row.topic, row.partition, row.offset) for row in rows if row.offset is not None))
            for start in range(0, len(rows), _PER_STATEMENT):
                some = [row.sequence for row in rows[start : start + _PER_STATEMENT]]
                removed += connection.execute(
                    delete(outbox).where(outbox.c.sequence.in_(some))).rowcount
        return removed
