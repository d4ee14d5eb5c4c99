"""`kafka-setup`: makes the topics of the bus on Kafka."""

from __future__ import annotations

from dataclasses import asdict

import click

from adapters.kafka_bus import GROUPS, group_on_kafka
from adapters.kafka_rights import grant
from adapters.kafka_topics import all_topics, set_up_topics
from adapters.schema_files import read_schemas
from commands.outcome import emit, json_option
from events_composition import (
    kafka_access,
    kafka_topic_names,
    kafka_topic_plan,
    schema_registry,
)
from recommender.errors import InvalidField
from recommender.topics import SUBJECT_OF
from settings import Settings
from settings_groups.bus import Bus


@click.command("kafka-setup")
@click.option("--grant", "user", metavar="USER", help="Also allow this login what the program "
              "needs: the topics and the consumer group. Takes the right to ALTER the cluster.")
@json_option
def command(user: str | None, as_json: bool) -> None:
    """Create the topics on Kafka, with partitions, copies and retention as the settings say.

    Safe to repeat: topics that are there get more partitions or another retention where the
    settings ask for it; nothing is deleted. With a schema registry, the schemas of the topics are
    registered there, and BACKWARD compatibility is asked for.
    """
    settings = Settings()
    if settings.bus is not Bus.KAFKA:
        raise InvalidField("bus", "is not kafka: the embedded log needs no topics")
    names = kafka_topic_names(settings)
    admin = kafka_access(settings).open_admin()
    try:
        done = set_up_topics(
            admin, map(names.on_kafka, all_topics()), kafka_topic_plan(settings))
        groups = [group_on_kafka(settings.kafka_group, group) for group in GROUPS]
        granted = grant(admin, user, names, groups) if user else []
    finally:
        admin.close()
    registered = _register(settings)
    report: list[dict[str, object]] = [asdict(topic) for topic in done]
    emit([*report, *({"granted": line} for line in granted),
          *({"schema_of": topic, "id": number} for topic, number in registered.items())],
         as_json, [*(f"{topic.name}: {topic.done}" for topic in done), *granted,
                   *(f"{topic}: schema {number}" for topic, number in registered.items())])


def _register(settings: Settings) -> dict[str, int]:
    """The id of each topic's schema in the registry, if there is one."""
    registry, schemas = schema_registry(settings), read_schemas().current
    if registry is None:
        return {}
    return {topic: registry.set_up(topic, schemas[subject])
            for topic, subject in SUBJECT_OF.items()}
