"""The columns of every frame, and the pandera schema that a batch of events must meet."""

from __future__ import annotations

import pandera.pandas as pa

ID_PATTERN = r"^[A-Za-z0-9._:\-]{1,128}$"
RATING_MIN, RATING_MAX, RATING_STEP = 0.5, 5.0, 0.5


class Columns:
    """Column names, used in every frame; nothing else names a column."""

    EVENT_ID = "event_id"
    SCHEMA_VERSION = "schema_version"
    TYPE = "type"
    USER = "user_id"
    ITEM = "item_id"
    RATING = "rating"
    MINUTE = "minute"
    QUERY = "query"
    TIMESTAMP = "timestamp_ms"
    RECEIVED = "received_at_ms"
    SOURCE = "source"
    SEQUENCE = "sequence"

    EVENT = (EVENT_ID, SCHEMA_VERSION, TYPE, USER, ITEM, RATING, MINUTE, QUERY,
             TIMESTAMP, RECEIVED, SOURCE)
