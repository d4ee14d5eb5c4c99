"""`kafka-setup`: makes the topics of the bus on Kafka."""

from __future__ import annotations

from dataclasses import asdict

import click

from adapters.kafka_topics import all_topics, set_up_topics
from commands.outcome import emit, json_option
from events_composition import kafka_access, kafka_topic_names, kafka_topic_plan
from recommender.errors import InvalidField
from settings import Settings
from settings_groups.bus import Bus


@click.command("kafka-setup")
@json_option
def command(as_json: bool) -> None:
    """Create the topics on Kafka, with partitions, copies and retention as the settings say.

    Safe to repeat: topics that are there get more partitions or another retention where the
    settings ask for it; nothing is deleted.
    """
    settings = Settings()
    if settings.bus is not Bus.KAFKA:
        raise InvalidField("bus", "is not kafka: the embedded log needs no topics")
    names = kafka_topic_names(settings)
    admin = kafka_access(settings).open_admin()
    try:
        done = set_up_topics(
            admin, map(names.on_kafka, all_topics()), kafka_topic_plan(settings))
    finally:
        admin.close()
    emit([asdict(topic) for topic in done], as_json,
         [f"{topic.name}: {topic.done}" for topic in done])
