"""Settings of retention: how long what was stored is kept, and what does not go together."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from settings_groups.bus import Bus, BusSettings

DAY_HOURS = 24
SEGMENT_HOURS = 168
"""Kafka deletes whole segments, and by default begins a new one after so long: a record can stay
for its retention and this."""


class RetentionSettings(BaseModel):
    """How long each kind of data is kept; 0 keeps it for ever. An hourly job removes the rest."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    # --- retention
    outbox_kept_hours: int = Field(default=168, ge=0)
    """Accepted events stay in the outbox for so long, and until they are applied or on Kafka; a
    call repeated with the same event id is answered as a duplicate for so long. 0: for ever;
    else at least 2, as the quota counts an hour."""
    applied_events_kept_days: int = Field(default=0, ge=0)
    """Applied events stay in the store for so long, and until a snapshot has them; the state that
    follows from them stays. It must outlast outbox and topics, whose events are known by it."""
    browse_events_kept_days: int = Field(default=0, ge=0)
    """Views and searches are taken out of store and snapshots after so long; 0: for ever."""
    responses_kept_days: int = Field(default=90, ge=0)
    """Answers given (traces) are kept for so long; 0: for ever."""
    dead_letters_kept_days: int = Field(default=90, ge=0)
    """Dead letters stay in the store for so long, and until they are on their topic; 0: for
    ever."""
    snapshots_kept_days: int = Field(default=30, ge=0)
    """Snapshots that no kept model was trained on are removed after so long, never the newest;
    what older ones hold of events is in the newer ones too. 0: for ever."""


def retention_contradictions(settings: RetentionSettings, bus: BusSettings) -> Iterator[str]:
    """Each a line that begins with the names of the settings."""
    outbox_h = settings.outbox_kept_hours
    if outbox_h == 1:
        yield "outbox_kept_hours: at least 2: ratings_per_hour counts the records of an hour"
    applied_h = settings.applied_events_kept_days * DAY_HOURS
    if not applied_h:
        return
    if not outbox_h:
        yield ("applied_events_kept_days, outbox_kept_hours: what stays in the outbox for ever can "
               "come again for ever, and is known by the applied events")
    elif applied_h < outbox_h + DAY_HOURS:
        yield (f"applied_events_kept_days: must be a day longer than outbox_kept_hours ({outbox_h})"
               ": events can come again from there")
    if bus.bus is Bus.KAFKA:
        yield from _shorter_than_topics(applied_h, bus.kafka_retention_hours)
    if settings.browse_events_kept_days * DAY_HOURS > applied_h:
        yield ("browse_events_kept_days: longer than applied_events_kept_days, by which they are "
               "found")


def _shorter_than_topics(applied_h: int, topics_h: int) -> Iterator[str]:
    if not topics_h:
        yield ("applied_events_kept_days, kafka_retention_hours: records that stay on the topics "
               "for ever can come again for ever, and are known by the applied events")
        return
    least_h = topics_h + SEGMENT_HOURS + DAY_HOURS
    if applied_h < least_h:
        yield (f"applied_events_kept_days: at least {-(-least_h // DAY_HOURS)} with "
               f"kafka_retention_hours ({topics_h}): Kafka may keep a record a segment "
               f"({SEGMENT_HOURS} hours) longer")
