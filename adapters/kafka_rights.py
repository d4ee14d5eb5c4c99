"""What this program has to be allowed on Kafka, and how an operator allows it."""

from __future__ import annotations

from collections.abc import Iterable

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import KafkaError

from adapters.kafka_clients import reason_of
from adapters.kafka_topics import TopicNames, all_topics
from recommender.errors import BusUnavailable
from recommender.topics import EVENT_TOPICS

READ, WRITE = "READ", "WRITE"
DESCRIBE_CONFIGS = "DESCRIBE_CONFIGS"
"""On each topic, to say until when it holds records of a person who is erased."""
RIGHTS = {topic: (READ, WRITE) if topic in EVENT_TOPICS else (WRITE,) for topic in all_topics()}
"""On each topic of the bus. On consumer groups: READ."""


def grant(admin: KafkaAdminClient, user: str, names: TopicNames,
          groups: Iterable[str]) -> list[str]:
    """Allow a user what the program needs, from any host; safe to repeat.

    Args:
        user: name of a login; its principal is `User:<name>`.
        groups: consumer groups as they are called on Kafka.

    Returns:
        A line for each thing it may now do something with.

    Raises:
        BusUnavailable: names what was not granted and what Kafka says.
    """
    wanted = [(ResourceType.TOPIC, names.on_kafka(topic), (*rights, DESCRIBE_CONFIGS))
              for topic, rights in RIGHTS.items()]
    wanted += [(ResourceType.GROUP, group, (READ,)) for group in groups]
    rules = [
        ACL(f"User:{user}", "*", ACLOperation[right], ACLPermissionType.ALLOW,
            ResourcePattern(kind, name))
        for kind, name, rights in wanted for right in rights
    ]
    try:
        refused = admin.create_acls(rules)["failed"]
    except KafkaError as error:
        raise BusUnavailable(f"rights of {user}: {reason_of(error)}") from error
    if refused:
        raise BusUnavailable(f"rights of {user}: {reason_of(refused[0]())}")
    return [f"{user} may {' and '.join(rights)}: {kind.name.lower()} {name}"
            for kind, name, rights in wanted]
