"""Topics on a real broker: made once, brought to the plan, never taken apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from adapters.kafka_topics import TopicNames, TopicPlan, all_topics, set_up_topics
from recommender.errors import BusUnavailable
from recommender.topics import RATINGS, dead_letter_topic
from tests.kafka.broker import Broker
from tests.kafka.cluster import Namespace

HOUR_MS = 3_600_000


@pytest.fixture
def space(broker: Broker) -> Namespace:
    return Namespace(broker)


@pytest.fixture
def admin(space: Namespace) -> Iterator[KafkaAdminClient]:
    opened = space.access().open_admin()
    yield opened
    opened.close()


def config_of(admin: KafkaAdminClient, name: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    found = admin.describe_configs([resource], config_filter="all")["topic"][name]
    return {key: entry["value"] for key, entry in found.items()}


def partitions_of(admin: KafkaAdminClient, name: str) -> int:
    return len(admin.describe_topics([name])[0]["partitions"])


def test_all_topics_are_made_with_partitions_and_retention_and_a_second_time_nothing_is_done(
    space: Namespace, admin: KafkaAdminClient
) -> None:
    names = [space.names.on_kafka(topic) for topic in all_topics()]
    first = set_up_topics(admin, names, TopicPlan(2, retention_hours=24))
    assert [s.name for s in first] == names and all(s.changed for s in first)
    assert dead_letter_topic(RATINGS) in all_topics()
    for name in names:
        assert partitions_of(admin, name) == 2
        assert config_of(admin, name)["retention.ms"] == str(24 * HOUR_MS)
        assert config_of(admin, name)["message.timestamp.after.max.ms"] == str(24 * HOUR_MS)
    again = set_up_topics(admin, names, TopicPlan(2, retention_hours=24))
    assert {(s.done, s.changed) for s in again} == {("as planned", False)}


def test_a_topic_grows_and_takes_another_retention_but_keeps_its_partitions(
    space: Namespace, admin: KafkaAdminClient
) -> None:
    name = space.names.on_kafka(RATINGS)
    set_up_topics(admin, [name], TopicPlan(1))
    (changed,) = set_up_topics(admin, [name], TopicPlan(3, retention_hours=None))
    assert "1 -> 3 partitions" in changed.done and "retention.ms" in changed.done
    assert config_of(admin, name)["retention.ms"] == "-1"
    (kept,) = set_up_topics(admin, [name], TopicPlan(2, retention_hours=None))
    assert not kept.changed and partitions_of(admin, name) == 3


def test_what_the_cluster_cannot_do_is_told_with_the_topic(
    space: Namespace, admin: KafkaAdminClient
) -> None:
    name = space.names.on_kafka(RATINGS)
    with pytest.raises(BusUnavailable, match=rf"{name}: .*InvalidReplicationFactor"):
        set_up_topics(admin, [name], TopicPlan(1, replication_factor=3))


def test_prefix_and_other_names_go_over_to_the_dead_letter_topic() -> None:
    names = TopicNames("shop-", {RATINGS: "movielog"})
    assert names.on_kafka(RATINGS) == "shop-movielog"
    assert names.on_kafka("ratings.dead-letter") == "shop-movielog.dead-letter"
    assert names.on_kafka("watch-events") == "shop-watch-events"
