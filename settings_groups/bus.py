"""Settings of the bus: the values that some may have, and what does not go together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from recommender.topics import TOPICS

_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,100}\Z")


class Bus(StrEnum):
    """What carries events from the outbox to ingest."""

    EMBEDDED = "embedded"
    KAFKA = "kafka"


class KafkaProtocol(StrEnum):
    """Kafka's names of the ways to connect."""

    PLAINTEXT = "PLAINTEXT"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"
    SSL = "SSL"

    @property
    def encrypted(self) -> bool:
        """Whether nobody can read along."""
        return self in (KafkaProtocol.SASL_SSL, KafkaProtocol.SSL)

    @property
    def with_login(self) -> bool:
        """Whether it takes a user name and a password."""
        return self in (KafkaProtocol.SASL_PLAINTEXT, KafkaProtocol.SASL_SSL)


class KafkaMechanism(StrEnum):
    """How the password is proven."""

    SCRAM_SHA_512 = "SCRAM-SHA-512"
    PLAIN = "PLAIN"


class BusSettings(BaseModel):
    """What carries events, and how Kafka is reached."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    # --- bus
    bus: Bus = Bus.EMBEDDED
    """`embedded` reads the outbox in place; `kafka` relays it to Kafka and reads it there."""
    kafka_bootstrap_servers: list[str] = ["127.0.0.1:9092"]
    """Brokers to begin with, as host:port (JSON list)."""
    kafka_topic_prefix: str = Field(default="", pattern=r"^[a-zA-Z0-9._-]*$", max_length=100)
    """Put before the names of all topics."""
    kafka_topic_names: dict[str, str] = {}
    """Other names for topics (JSON object: `{"ratings": "movielog"}`); their dead-letter topics
    follow."""
    kafka_group: str = Field(default="fairreel", min_length=1, max_length=100)
    """Consumer groups are called `<this>.<name>`; replicas of one installation share it."""
    kafka_replication_factor: int = Field(default=1, ge=1, le=32767)
    """Copies of each partition that `kafka-setup` asks for."""
    kafka_min_insync_replicas: int = Field(default=1, ge=1)
    """Copies that must have an event before it counts as sent."""
    kafka_retention_hours: int = Field(default=168, ge=0)
    """How long records stay on the topics; 0: for ever."""
    kafka_security_protocol: KafkaProtocol = KafkaProtocol.PLAINTEXT
    """Encryption and login of connections to the brokers."""
    kafka_sasl_mechanism: KafkaMechanism = KafkaMechanism.SCRAM_SHA_512
    """For the SASL protocols."""
    kafka_username: str | None = None
    """For the SASL protocols."""
    kafka_password: SecretStr | None = None
    """For the SASL protocols."""
    kafka_ca_file: Path | None = None
    """Authorities (PEM) that sign the brokers' certificates; default: the system's."""
    kafka_certificate_file: Path | None = None
    """The client's own certificate (PEM), for mutual TLS."""
    kafka_key_file: Path | None = None
    """Its key (PEM)."""
    kafka_key_password: SecretStr | None = None
    """Password of the key file."""
    kafka_delivery_timeout_s: float = Field(default=30.0, ge=1)
    """How long one attempt to send a batch may last; events wait in the outbox for the next."""
    relay_batch_max_events: int = Field(default=1_000, ge=1)
    """Events sent together; what a crash can bring to the topics twice."""


def bus_contradictions(settings: BusSettings) -> Iterator[str]:
    """Each a line that begins with the names of the settings."""
    if settings.bus is not Bus.KAFKA:
        return
    if not settings.kafka_bootstrap_servers:
        yield "kafka_bootstrap_servers: needs at least one"
    protocol = settings.kafka_security_protocol
    if protocol.with_login and not (settings.kafka_username and settings.kafka_password):
        yield f"kafka_username, kafka_password: {protocol.value} needs both"
    if bool(settings.kafka_certificate_file) != bool(settings.kafka_key_file):
        yield "kafka_certificate_file, kafka_key_file: one is of no use without the other"
    if settings.kafka_min_insync_replicas > settings.kafka_replication_factor:
        yield ("kafka_min_insync_replicas: more than kafka_replication_factor, so that nothing "
               "could be sent")
    yield from _wrong_topic_names(settings)


def _wrong_topic_names(settings: BusSettings) -> Iterator[str]:
    renamed = settings.kafka_topic_names
    for topic, name in renamed.items():
        if topic not in TOPICS:
            yield f"kafka_topic_names: there is no topic {topic!r}"
        if not _TOPIC_NAME.match(name):
            yield f"kafka_topic_names: {name!r} is no name of a topic"
    for name, count in Counter(renamed.get(topic, topic) for topic in TOPICS).items():
        if count > 1:
            yield f"kafka_topic_names: {count} topics are called {name!r}"


def insecure_bus(settings: BusSettings) -> Iterator[str]:
    """What production does not allow."""
    if settings.bus is not Bus.KAFKA or settings.kafka_security_protocol.encrypted:
        return
    for server in settings.kafka_bootstrap_servers:
        if not loopback(server.rpartition(":")[0].strip("[]")):
            yield f"kafka_security_protocol: production sends nothing to {server} unencrypted"


def loopback(host: str) -> bool:
    """Whether the host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
