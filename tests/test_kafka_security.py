"""Logging in to a real broker, and what is told when it does not let us."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from kafka.admin import (
    ResourceType,
)

from adapters.kafka_security import KafkaSecurity
from recommender.errors import PartlyPublished
from recommender.topics import EVENT_TOPICS, RATINGS, WATCH_EVENTS, dead_letter_topic
from recommender.types import Message
from tests.kafka.broker import PASSWORD, Broker
from tests.kafka.cluster import Namespace, namespace
from tests.kafka.rights import allow, allow_all

TOLD_S = 10.0


@pytest.fixture
def space(broker: Broker) -> Iterator[Namespace]:
    with namespace(broker) as made:
        yield made


def scram(broker: Broker, user: str = "app", password: str = PASSWORD) -> KafkaSecurity:
    return KafkaSecurity("SASL_SSL", "SCRAM-SHA-512", user, password, broker.authority.file)


def works(space: Namespace, security: KafkaSecurity, address: str) -> None:
    """Publishes and reads with this login."""
    bus = space.bus(security=security, bootstrap_servers=(address,))
    assert bus.problem() is None
    bus.publish([Message(RATINGS, "k", b"v")])
    consumer = bus.consumer("ingest", [RATINGS])
    deadline = time.monotonic() + 20
    while not (records := consumer.poll(10, 0.5)):
        assert time.monotonic() < deadline
    assert records[0].value == b"v"
    consumer.close()


def problem_of(space: Namespace, security: KafkaSecurity, address: str) -> str:
    """What is told, in time."""
    bus = space.bus(security=security, bootstrap_servers=(address,))
    begun = time.monotonic()
    problem = bus.problem()
    assert time.monotonic() - begun < TOLD_S
    assert problem is not None
    return problem


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_the_right_password_lets_in(
    space: Namespace, broker: Broker, protocol: str, mechanism: str
) -> None:
    allow_all(space, "app")
    address = broker.sasl_ssl if protocol == "SASL_SSL" else broker.sasl
    works(space, replace(scram(broker), protocol=protocol, mechanism=mechanism), address)


def test_a_certificate_of_our_own_lets_in(space: Namespace, broker: Broker) -> None:
    allow_all(space, "svc")
    certificate, key = broker.authority.issue("svc")
    security = KafkaSecurity("SSL", ca_file=broker.authority.file, certificate_file=certificate,
                             key_file=key)
    works(space, security, broker.ssl)


def test_a_wrong_password_is_named(space: Namespace, broker: Broker) -> None:
    problem = problem_of(space, scram(broker, password="wrong"), broker.sasl_ssl)
    assert "are user and password right?" in problem


def test_an_authority_that_we_do_not_trust_is_named(space: Namespace, broker: Broker) -> None:
    security = replace(scram(broker), ca_file=None)
    assert "CERTIFICATE_VERIFY_FAILED" in problem_of(space, security, broker.sasl_ssl)


def test_an_expired_certificate_is_named(space: Namespace, broker: Broker) -> None:
    certificate, key = broker.authority.issue("old", timedelta(days=-1))
    security = KafkaSecurity("SSL", ca_file=broker.authority.file, certificate_file=certificate,
                             key_file=key)
    assert "certificate" in problem_of(space, security, broker.ssl)


def test_a_file_that_is_not_there_is_named(space: Namespace, broker: Broker) -> None:
    security = replace(scram(broker), ca_file=Path("/nowhere/ca.pem"))
    assert "/nowhere/ca.pem: no such file" in problem_of(space, security, broker.sasl_ssl)


def test_what_we_may_not_do_is_named_topic_by_topic(space: Namespace, broker: Broker) -> None:
    for topic in (*EVENT_TOPICS, *map(dead_letter_topic, EVENT_TOPICS)):
        allow(space, "writer", ResourceType.TOPIC, space.names.on_kafka(topic), "WRITE")
    problem = problem_of(space, scram(broker, "writer"), broker.sasl_ssl)
    for topic in EVENT_TOPICS:
        assert f"topic {space.names.on_kafka(topic)}: not allowed to READ" in problem
    assert "WRITE" not in problem
    assert f"group {space.prefix}g.ingest: not allowed to READ" in problem


def test_without_any_right_no_topic_is_seen(space: Namespace, broker: Broker) -> None:
    problem = problem_of(space, scram(broker, "writer"), broker.sasl_ssl)
    assert problem.count("not allowed to DESCRIBE") == 6


def test_a_right_that_is_missing_for_one_topic_holds_up_no_other(
    space: Namespace, broker: Broker
) -> None:
    allow_all(space, "app")
    allow(space, "app", ResourceType.TOPIC, space.names.on_kafka(WATCH_EVENTS), "WRITE",
          forbid=True)
    bus = space.bus(security=scram(broker), bootstrap_servers=(broker.sasl_ssl,))
    assert bus.problem() == f"topic {space.names.on_kafka(WATCH_EVENTS)}: not allowed to WRITE"
    with pytest.raises(PartlyPublished, match="TopicAuthorizationFailed") as refused:
        bus.publish([Message(WATCH_EVENTS, "k", b"v"), Message(RATINGS, "k", b"v")])
    assert refused.value.unpublished == {0}
    assert sum(bus.end_offsets([RATINGS]).values()) == 1


def test_topics_that_are_not_there_are_named_with_the_remedy(broker: Broker) -> None:
    space = Namespace(broker)
    bus = space.bus()
    assert "kafka-setup" in (bus.problem() or "")
    space.set_up()
    assert bus.problem() is None
    space.close()
