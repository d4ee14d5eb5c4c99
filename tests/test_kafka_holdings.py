"""What Kafka still holds of a person is listed by topic, partition and day, on a real broker."""

from __future__ import annotations

import pytest
from kafka.admin import ResourceType

from adapters.kafka_holdings import kafka_holdings
from adapters.kafka_security import KafkaSecurity
from adapters.partitioner import partition_of
from benchmarks.ports import free_port
from recommender.errors import BusUnavailable
from recommender.event_codec import encode
from recommender.topics import RATINGS, WATCH_EVENTS, dead_letter_topic
from recommender.types import Message
from tests.kafka.broker import PASSWORD, Broker
from tests.kafka.cluster import PARTITIONS, namespace
from tests.kafka.rights import allow
from tests.sample_events import NOW_MS, rating

HOUR_MS = 3_600_000
WEEK_HOURS = 168


def test_the_partition_of_the_key_is_listed_with_the_day_by_which_it_is_gone(
    broker: Broker,
) -> None:
    with namespace(broker) as space:
        place = partition_of("anna", PARTITIONS)
        other = next(f"u{n}" for n in range(99) if partition_of(f"u{n}", PARTITIONS) != place)
        space.bus().publish([
            *(Message(RATINGS, "anna", encode(rating(f"a{n}", "anna"))) for n in range(3)),
            Message(RATINGS, other, encode(rating("b", other))),
        ])  # fmt: skip
        topics = [space.names.on_kafka(topic) for topic in (RATINGS, WATCH_EVENTS)]
        (found,) = kafka_holdings(space.access(), topics, "anna", NOW_MS)
        assert (found.topic, found.partition) == (topics[0], place)
        assert (found.first_offset, found.end_offset) == (0, 3)
        # The topic's retention, and a segment that is written to for a week by default.
        assert found.gone_by_ms == NOW_MS + 2 * WEEK_HOURS * HOUR_MS
        missing = kafka_holdings(space.access(), [f"{space.prefix}none"], "anna", NOW_MS)
        assert missing == []


def test_dead_letters_lie_under_their_places_so_that_every_partition_is_listed(
    broker: Broker,
) -> None:
    with namespace(broker) as space:
        topic = dead_letter_topic(RATINGS)
        space.bus().publish([Message(topic, f"c/ratings/0/{n}", b"{}") for n in range(60)])
        found = kafka_holdings(space.access(), [space.names.on_kafka(topic)], "anna", NOW_MS)
        assert [holding.partition for holding in found] == list(range(PARTITIONS))
        assert sum(holding.end_offset for holding in found) == 60


def test_what_may_not_be_seen_is_told_and_not_taken_for_nothing(broker: Broker) -> None:
    with namespace(broker) as space:
        space.bus().publish([Message(RATINGS, "anna", b"{}")])
        topic = space.names.on_kafka(RATINGS)
        security = KafkaSecurity("SASL_SSL", "SCRAM-SHA-512", "app", PASSWORD,
                                 broker.authority.file)
        access = space.access(security=security, bootstrap_servers=(broker.sasl_ssl,))
        with pytest.raises(BusUnavailable, match="TopicAuthorizationFailedError"):
            kafka_holdings(access, [topic], "anna", NOW_MS)
        allow(space, "app", ResourceType.TOPIC, topic, "READ")
        with pytest.raises(BusUnavailable, match="not allowed to DESCRIBE_CONFIGS"):
            kafka_holdings(access, [topic], "anna", NOW_MS)


def test_a_broker_that_is_away_is_told(broker: Broker) -> None:
    with namespace(broker) as space:
        away = space.access(bootstrap_servers=(f"127.0.0.1:{free_port()}",), connect_s=1.0)
        with pytest.raises(BusUnavailable):
            kafka_holdings(away, ["x"], "anna", NOW_MS)
