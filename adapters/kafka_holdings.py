"""What Kafka still holds of a person, by the key of their records."""

from __future__ import annotations

from collections.abc import Iterable

from kafka import KafkaAdminClient
from kafka import TopicPartition as KafkaPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import KafkaError

from adapters.kafka_clients import KafkaAccess, reason_of
from adapters.partitioner import partition_of
from recommender.erasure import Holding
from recommender.errors import BusUnavailable

_NEVER_MS = "-1"


def kafka_holdings(
    access: KafkaAccess, topics: Iterable[str], user_id: str, now_ms: int
) -> list[Holding]:
    """For each topic (its name on Kafka) the partition of the user's key, unless it is empty.

    Kafka removes a segment when its newest record is older than the retention, so a record may
    stay for the time that a segment is written to, besides. Records that others wrote under
    another key may lie in other partitions.

    Raises:
        BusUnavailable: Kafka does not answer.
    """
    admin = access.open_admin()
    try:
        found = [_holding(admin, topic, user_id, now_ms) for topic in topics]
    except KafkaError as error:
        raise BusUnavailable(reason_of(error)) from error
    finally:
        admin.close()
    return [holding for holding in found if holding.end_offset > holding.first_offset]


def _holding(admin: KafkaAdminClient, topic: str, user_id: str, now_ms: int) -> Holding:
    (described,) = admin.describe_topics([topic])
    count = len(described["partitions"])
    if not count:
        return Holding(topic, 0, 0, 0, None)
    place = KafkaPartition(topic, partition_of(user_id, count))
    first, end = (
        admin.list_partition_offsets({place: spec})[place].offset
        for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST)
    )
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    config = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    retention, segment = (config[name]["value"] for name in ("retention.ms", "segment.ms"))
    gone = None if retention == _NEVER_MS else now_ms + int(retention) + int(segment)
    return Holding(topic, place.partition, first, end, gone)
