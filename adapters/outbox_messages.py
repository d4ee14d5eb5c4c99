"""Messages for an outer bus, put into the outbox beside the events: the relay sends them."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sqlalchemy import Engine

from adapters.bulk_insert import bulk_insert
from adapters.database import writing
from adapters.tables import NO_PARTITION, outbox
from recommender.types import Message


def append_for_relay(engine: Engine, messages: Mapping[str, Message]) -> int:
    """Messages by their ids; one whose id is known is left out. Durable when it returns; how many
    were new. Any process may call it.

    Raises:
        StoreUnavailable: nothing was written.
    """
    now_ms = time.time_ns() // 1_000_000
    rows = [(name, m.topic, NO_PARTITION, m.key, m.value, now_ms) for name, m in messages.items()]
    with writing(engine) as connection:
        return bulk_insert(
            connection, outbox,
            ("event_id", "topic", "partition", "key", "value", "accepted_at_ms"), rows,
            "ON CONFLICT (event_id) DO NOTHING",
        )  # fmt: skip
