"""What Kafka still holds of a person, by the key of their records."""

from __future__ import annotations

from collections.abc import Iterable

from kafka import KafkaAdminClient
from kafka import TopicPartition as KafkaPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from adapters.kafka_clients import KafkaAccess, reason_of
from adapters.kafka_topics import config_of
from adapters.partitioner import partition_of
from recommender.erasure import Holding
from recommender.errors import BusUnavailable
from recommender.topics import DEAD_LETTER_SUFFIX

_NEVER_MS = "-1"


def kafka_holdings(
    access: KafkaAccess, topics: Iterable[str], user_id: str, now_ms: int
) -> list[Holding]:
    """For each topic (its name on Kafka) the partitions that may hold records of the user, unless
    they are empty: the one of the user's key; all of a dead-letter topic, whose keys are places.

    Kafka removes a segment when its newest record is older than the retention, so a record may
    stay for the time that a segment is written to, besides. Records that others wrote under
    another key may lie in other partitions, and so may records of before partitions were added.

    Raises:
        BusUnavailable: Kafka does not answer, or what it holds may not be seen.
    """
    admin = access.open_admin()
    try:
        found = [each for topic in topics for each in _of_topic(admin, topic, user_id, now_ms)]
    except KafkaError as error:
        raise BusUnavailable(reason_of(error)) from error
    finally:
        admin.close()
    return [holding for holding in found if holding.end_offset > holding.first_offset]


def _of_topic(admin: KafkaAdminClient, topic: str, user_id: str, now_ms: int) -> list[Holding]:
    (described,) = admin.describe_topics([topic])
    code = described["error_code"]
    if code == UnknownTopicOrPartitionError.errno:
        return []
    if code:
        raise BusUnavailable(f"topic {topic}: {for_code(code).__name__}")
    count = len(described["partitions"])
    numbers = (range(count) if topic.endswith(DEAD_LETTER_SUFFIX)
               else [partition_of(user_id, count)])
    places = [KafkaPartition(topic, number) for number in numbers]
    first, end = (admin.list_partition_offsets(dict.fromkeys(places, spec))
                  for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST))
    config = config_of(admin, topic)
    retention, segment = (config[name]["value"] for name in ("retention.ms", "segment.ms"))
    gone = None if retention == _NEVER_MS else now_ms + int(retention) + int(segment)
    return [Holding(topic, place.partition, first[place].offset, end[place].offset, gone)
            for place in places]
