"""All records that a bus still holds of some topics, from the first on, beside its readers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from typing import Any

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition
from kafka.errors import KafkaError
from sqlalchemy import Engine, bindparam, select

from adapters.bulk_insert import ColumnQuery
from adapters.database import reading
from adapters.kafka_clients import KafkaAccess, reason_of
from adapters.kafka_topics import TopicNames
from adapters.log_writer import cluster_id
from adapters.tables import outbox
from recommender.errors import BusUnavailable
from recommender.types import Record

AT_ONCE = 5_000
_POLL_MS = 1_000
_SILENT_POLLS = 30
_ROWS = ColumnQuery(
    select(outbox.c.sequence, outbox.c.topic, outbox.c.partition, outbox.c.offset, outbox.c.key,
           outbox.c.value, outbox.c.accepted_at_ms)
    .where(outbox.c.sequence > bindparam("after"), outbox.c.offset.is_not(None))
    .order_by(outbox.c.sequence)
    .limit(bindparam("most"))
)  # fmt: skip


class EmbeddedRecords:
    """The embedded log in a database, read without owning it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def cluster_id(self) -> str:
        """Names the log.

        Raises:
            BusUnavailable: there is no log in the database.
        """
        with reading(self._engine) as connection:
            name = cluster_id(connection)
        if name is None:
            raise BusUnavailable("log_url: there is no embedded log in this database")
        return name

    def records(self, topics: Collection[str]) -> Iterator[list[Record]]:
        """In the order in which they were accepted."""
        after = 0
        while True:
            with reading(self._engine) as connection:
                columns = _ROWS.fetch(connection, after=after, most=AT_ONCE)
            rows = sorted(zip(*columns, strict=True), key=lambda row: row[0])
            if not rows:
                return
            after = rows[-1][0]
            yield [Record(*row[1:]) for row in rows if row[1] in topics]


class KafkaRecords:
    """Topics of a Kafka cluster, read without a group: no reader loses a partition by it.

    `from_wire` turns the value of a record of a topic into JSON.
    """

    def __init__(
        self, access: KafkaAccess, names: TopicNames,
        from_wire: Callable[[str, bytes], bytes] = lambda _topic, value: value,
    ) -> None:  # fmt: skip
        self._from_wire = from_wire
        self._access = access
        self._names = names

    def cluster_id(self) -> str:
        """Names the cluster. Raises BusUnavailable."""
        with closing(self._access.open_admin()) as admin:
            return str(admin.describe_cluster()["cluster_id"])

    def records(self, topics: Collection[str]) -> Iterator[list[Record]]:
        """Those that were there when it began, by partition in their order.

        Raises:
            BusUnavailable: no answer, not allowed to read, or a topic is not there.
        """
        named = {self._names.on_kafka(topic): topic for topic in topics}
        with closing(self._access.open_consumer(
            group_id=None, enable_auto_commit=False, auto_offset_reset="earliest",
            allow_auto_create_topics=False,
        )) as consumer:  # fmt: skip
            try:
                yield from self._read(consumer, named)
            except KafkaError as error:
                raise BusUnavailable(reason_of(error)) from error

    def _read(self, consumer: KafkaConsumer, named: dict[str, str]) -> Iterator[list[Record]]:
        places = [place for name in named for place in _partitions(consumer, name)]
        consumer.assign(places)
        ends: dict[KafkaPartition, int] = consumer.end_offsets(places)
        consumer.seek_to_beginning(*places)
        silent = 0
        while any(consumer.position(place) < end for place, end in ends.items()):
            found: dict[KafkaPartition, list[Any]] = consumer.poll(
                timeout_ms=_POLL_MS, max_records=AT_ONCE)
            silent = 0 if found else silent + 1
            if silent >= _SILENT_POLLS:
                # A reader without the right to read gets no error from Kafka's client.
                raise BusUnavailable(
                    f"Kafka gave nothing for {_SILENT_POLLS} s: may this user READ the topics?")
            records = [
                Record(named[raw.topic], raw.partition, raw.offset,
                       None if raw.key is None else raw.key.decode(errors="replace"),
                       self._from_wire(named[raw.topic], raw.value or b""),
                       max(raw.timestamp, 0))
                for place, batch in found.items() for raw in batch if raw.offset < ends[place]
            ]  # fmt: skip
            if records:
                yield records


def _partitions(consumer: KafkaConsumer, name: str) -> list[KafkaPartition]:
    found = consumer.partitions_for_topic(name)
    if not found:
        raise BusUnavailable(f"topic {name}: does not exist; `fairreel kafka-setup` creates it")
    return [KafkaPartition(name, number) for number in sorted(found)]
