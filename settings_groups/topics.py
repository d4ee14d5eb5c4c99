"""Settings of what lies on the topics: its format, and where schemas are registered."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from settings_groups.bus import Bus, BusSettings, loopback


class TopicFormat(StrEnum):
    """How values on Kafka's topics are encoded."""

    JSON = "json"
    AVRO = "avro"


class TopicSettings(BaseModel):
    """What is written to Kafka's topics, and how."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    # --- topics
    topic_format: TopicFormat = TopicFormat.JSON
    """What is written to Kafka's topics: `json`, or `avro` by the files of schemas/. Both are
    read, whatever is written. The embedded log holds JSON."""
    schema_registry_url: str | None = Field(default=None, pattern="^https?://.+")
    """Schema registry with Confluent's API, as `http://registry:8081`; with one, Avro on the
    topics names its schema by the registry's id, else by its fingerprint."""
    schema_registry_username: str | None = None
    """For a registry that asks who it is."""
    schema_registry_password: SecretStr | None = None
    """For a registry that asks who it is."""
    publish_answers: bool = True
    """With Kafka: put each answer of /recommend on the topics `recommendation-requests` and
    `recommendations`, read from the response log behind the requests."""


def topic_contradictions(settings: TopicSettings, bus: BusSettings) -> Iterator[str]:
    """Each a line that begins with the names of the settings."""
    if settings.topic_format is TopicFormat.AVRO and bus.bus is not Bus.KAFKA:
        yield "topic_format: avro is for bus=kafka; the embedded log holds JSON"
    if bool(settings.schema_registry_username) != bool(settings.schema_registry_password):
        yield ("schema_registry_username, schema_registry_password: one is of no use without the "
               "other")


def insecure_topics(settings: TopicSettings) -> Iterator[str]:
    """What production does not allow."""
    url = urlsplit(settings.schema_registry_url or "")
    if url.scheme == "http" and not loopback(url.hostname or "") and (
        settings.schema_registry_password
    ):
        yield "schema_registry_url: production sends no password over http"
