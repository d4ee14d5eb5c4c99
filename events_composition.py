"""Builds the way of events from the settings: outbox, relay queue, bus."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr
from sqlalchemy import Engine

from adapters.database import open_database
from adapters.embedded_log import EmbeddedLog
from adapters.formatted_bus import FormattedBus
from adapters.kafka_bus import KafkaBus
from adapters.kafka_clients import KafkaAccess
from adapters.kafka_producer import KafkaPublisher
from adapters.kafka_security import KafkaSecurity
from adapters.kafka_topics import TopicNames, TopicPlan
from adapters.left_behind import unapplied, unsent
from adapters.relay_outbox import RelayOutbox
from adapters.relay_queue import SqlRelayQueue
from adapters.schema_files import read_schemas
from adapters.schema_registry import SchemaRegistry
from recommender.avro_codec import AvroCodec
from recommender.errors import EventsLeftBehind, LogTaken
from recommender.ports import EventBus, Outbox, RelayQueue
from recommender.topics import EVENT_TOPICS
from recommender.types import TopicPartition
from settings import Settings
from settings_groups.bus import Bus
from settings_groups.topics import TopicFormat


@dataclass(frozen=True, slots=True)
class EventSide:
    """Where events are accepted, what carries them to ingest, and what is still to be carried.

    With the embedded log the first two are one, and there is nothing to relay.
    """

    outbox: Outbox
    bus: EventBus
    engine: Engine
    queue: RelayQueue | None = None

    def close(self) -> None:
        """Commit what waits and let go; the threads that use it have ended."""
        self.bus.close()
        if self.queue is not None:
            self.outbox.close()
            self.queue.close()


def open_events(settings: Settings) -> EventSide:
    """The outbox and the bus that the settings name; Kafka need not answer yet.

    Raises:
        StoreUnavailable: the database of the outbox cannot be opened, or the embedded log in it
            belongs to another process.
    """
    engine = open_database(settings.log(), "log")
    waiting_max, ratings = settings.outbox_queue_max_events, settings.hourly_ratings()
    if settings.bus is Bus.EMBEDDED:
        try:
            log = EmbeddedLog(engine, settings.topic_partitions, waiting_max, ratings)
        except LogTaken as error:
            engine.dispose()
            raise LogTaken(f"log_url: {error}; each process needs a log of its own") from error
        return EventSide(log, log, engine)
    queue = SqlRelayQueue(engine)
    return EventSide(
        RelayOutbox(engine, queue, waiting_max, ratings), open_kafka_bus(settings), engine, queue)


def refuse_to_leave_events(
    events: EventSide, stored: Callable[[str], Mapping[TopicPartition, int]]
) -> None:
    """To be called at start: events of the bus before must not wait for ever.

    `stored` gives the offsets that the store has of a log, by its cluster id.

    Raises:
        EventsLeftBehind: says how many and what to do.
    """
    before, left = (
        (Bus.KAFKA, unsent(events.engine)) if events.queue is None
        else (Bus.EMBEDDED, unapplied(events.engine, stored, EVENT_TOPICS))
    )
    if left:
        raise EventsLeftBehind(
            f"bus: {left} accepted events still wait for the bus before; start once more with "
            f"bus={before.value} until reco_relay_backlog and reco_consumer_lag are 0")


def open_kafka_bus(settings: Settings) -> EventBus:
    """Kafka as the bus, in the format of the settings; nothing is asked of it yet."""
    # Its log repeats with every attempt what the bus watch tells once.
    quiet = logging.INFO if settings.log_level == "DEBUG" else logging.CRITICAL
    logging.getLogger("kafka").setLevel(quiet)
    access, names = kafka_access(settings), kafka_topic_names(settings)
    publisher = KafkaPublisher(access, names, settings.kafka_delivery_timeout_s)
    bus = KafkaBus(access, names, publisher, settings.kafka_group)
    codec = topic_codec(settings)
    return FormattedBus(bus, codec.to_wire, codec.from_wire)


def topic_codec(settings: Settings) -> AvroCodec:
    """Writes JSON or Avro as set; reads both."""
    return AvroCodec(read_schemas(), schema_registry(settings),
                     settings.topic_format is TopicFormat.AVRO)


def schema_registry(settings: Settings) -> SchemaRegistry | None:
    """The registry of the settings."""
    url, password = settings.schema_registry_url, _revealed(settings.schema_registry_password)
    if url is None:
        return None
    login = None if password is None else (settings.schema_registry_username or "", password)
    return SchemaRegistry(url, kafka_topic_names(settings).on_kafka, login)


def kafka_access(settings: Settings) -> KafkaAccess:
    """Where Kafka is and how to log in."""
    security = KafkaSecurity(
        settings.kafka_security_protocol.value, settings.kafka_sasl_mechanism.value,
        settings.kafka_username, _revealed(settings.kafka_password),
        settings.kafka_ca_file, settings.kafka_certificate_file, settings.kafka_key_file,
        _revealed(settings.kafka_key_password),
    )
    return KafkaAccess(tuple(settings.kafka_bootstrap_servers), security)


def kafka_topic_names(settings: Settings) -> TopicNames:
    """What the topics are called there."""
    return TopicNames(settings.kafka_topic_prefix, settings.kafka_topic_names)


def kafka_topic_plan(settings: Settings) -> TopicPlan:
    """How `kafka-setup` makes them."""
    return TopicPlan(
        settings.topic_partitions, settings.kafka_replication_factor,
        settings.kafka_min_insync_replicas, settings.kafka_retention_hours or None,
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
