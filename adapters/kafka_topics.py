"""Topics of the bus as they are named and made on Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from adapters.kafka_clients import reason_of
from recommender.errors import BusUnavailable
from recommender.topics import DEAD_LETTER_SUFFIX, EVENT_TOPICS, TOPICS, dead_letter_topic

HOUR_MS = 3_600_000
MESSAGE_MAX_BYTES = 1_000_000
"""Just below Kafka's default for a topic."""
LETTER_MAX_BYTES = 4 << 20
"""On dead-letter topics: a letter is longer than the record that it holds."""
_RETENTION, _MIN_INSYNC = "retention.ms", "min.insync.replicas"
_MESSAGE_MAX = "max.message.bytes"
_AHEAD_MAX = "message.timestamp.after.max.ms"
AHEAD_MAX_MS = 24 * HOUR_MS
"""A producer whose clock is ahead by more is refused (Kafka's default is an hour)."""


@dataclass(frozen=True, slots=True)
class TopicNames:
    """What the topics of the bus are called on Kafka: prefix and name.

    `renamed` gives a topic another name; its dead-letter topic follows.
    """

    prefix: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)

    def on_kafka(self, topic: str) -> str:
        """The name on Kafka of a topic of the bus."""
        base, suffix = topic, ""
        if topic.endswith(DEAD_LETTER_SUFFIX):
            base, suffix = topic.removesuffix(DEAD_LETTER_SUFFIX), DEAD_LETTER_SUFFIX
        return self.prefix + self.renamed.get(base, base) + suffix


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """How each topic should be: partitions, copies, and how long records stay (None: for ever)."""

    partitions: int = 4
    replication_factor: int = 1
    min_insync_replicas: int = 1
    retention_hours: int | None = 168

    def config(self, name: str) -> dict[str, str]:
        """Kafka's settings of the topic."""
        hours = self.retention_hours
        letters = name.endswith(DEAD_LETTER_SUFFIX)
        return {
            _RETENTION: "-1" if hours is None else str(hours * HOUR_MS),
            _MIN_INSYNC: str(self.min_insync_replicas),
            _AHEAD_MAX: str(AHEAD_MAX_MS),
            **({_MESSAGE_MAX: str(LETTER_MAX_BYTES + 1_024)} if letters else {}),
        }


@dataclass(frozen=True, slots=True)
class TopicSetup:
    """What was done to a topic, in words; `changed` is false when nothing was."""

    name: str
    done: str
    changed: bool


def message_max_bytes(topic: str) -> int:
    """What a topic of the bus takes at most: key and value of one message."""
    return LETTER_MAX_BYTES if topic.endswith(DEAD_LETTER_SUFFIX) else MESSAGE_MAX_BYTES


def all_topics() -> tuple[str, ...]:
    """Every topic of the bus that this program reads or writes."""
    return (*TOPICS, *map(dead_letter_topic, EVENT_TOPICS))


def set_up_topics(
    admin: KafkaAdminClient, names: Iterable[str], plan: TopicPlan
) -> list[TopicSetup]:
    """Create the topics that are missing and bring the others to the plan; safe to repeat.

    Partitions are added and never taken away: records of a key would move.

    Raises:
        BusUnavailable: names the topic and what Kafka says.
    """
    return [_set_up(admin, name, plan) for name in names]


def config_of(admin: KafkaAdminClient, topic: str) -> Mapping[str, Mapping[str, str]]:
    """A topic's settings; kafka-python passes over their refusal.

    Raises:
        BusUnavailable: they may not be seen.
        KafkaError: Kafka does not answer.
    """
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    answer = admin.describe_configs([resource], config_filter="all")
    found: Mapping[str, Mapping[str, str]] = answer["topic"][topic]
    if not found:
        raise BusUnavailable(f"topic {topic}: not allowed to DESCRIBE_CONFIGS")
    return found


def _set_up(admin: KafkaAdminClient, name: str, plan: TopicPlan) -> TopicSetup:
    try:
        if _create(admin, name, plan):
            return TopicSetup(name, f"created with {plan.partitions} partitions", True)
        done = [*_grow(admin, name, plan), *_configure(admin, name, plan)]
    except KafkaError as error:
        raise BusUnavailable(f"topic {name}: {reason_of(error)}") from error
    return TopicSetup(name, ", ".join(done) or "as planned", bool(done))


def _create(admin: KafkaAdminClient, name: str, plan: TopicPlan) -> bool:
    wanted = {"num_partitions": plan.partitions, "replication_factor": plan.replication_factor,
              "configs": plan.config(name)}
    try:
        admin.create_topics({name: wanted})
    except TopicAlreadyExistsError:
        return False
    admin.wait_for_topics([name])
    return True


def _grow(admin: KafkaAdminClient, name: str, plan: TopicPlan) -> Sequence[str]:
    (topic,) = admin.describe_topics([name])
    if topic["error_code"]:
        raise for_code(topic["error_code"])
    have = len(topic["partitions"])
    if have >= plan.partitions:
        return []
    admin.create_partitions({name: plan.partitions})
    return [f"{have} -> {plan.partitions} partitions"]


def _configure(admin: KafkaAdminClient, name: str, plan: TopicPlan) -> Sequence[str]:
    have = config_of(admin, name)
    wanted = plan.config(name)
    different = {key: value for key, value in wanted.items() if have[key]["value"] != value}
    if not different:
        return []
    resource = ConfigResource(ConfigResourceType.TOPIC, name, different)
    answer = admin.alter_configs([resource])["topic"][name]
    if answer != "OK":
        raise KafkaError(answer)
    return [f"{key} {have[key]['value']} -> {value}" for key, value in different.items()]
