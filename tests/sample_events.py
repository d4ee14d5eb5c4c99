"""Events for tests of the event path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from recommender.event_codec import Origin, decode, encode
from recommender.schemas import Columns, event_frame
from recommender.topics import topic_of
from recommender.types import Event, EventType

NOW_MS = 1_763_960_000_000


def rating(event_id: str, user: str = "u1", item: str = "m1", **changes: Any) -> Event:
    values: dict[str, Any] = {
        "type": EventType.RATE, "rating": 4.0, "timestamp_ms": NOW_MS,
        "received_at_ms": NOW_MS - 5, "source": "api", **changes,
    }  # fmt: skip
    return Event(event_id=event_id, user_id=user, item_id=item, **values)


def watch(event_id: str, user: str = "u1", item: str = "m1", **changes: Any) -> Event:
    return rating(event_id, user, item, type=EventType.WATCH, rating=None, **changes)


def view(event_id: str, user: str = "u1", item: str = "m1", **changes: Any) -> Event:
    return rating(event_id, user, item, type=EventType.VIEW, rating=None, **changes)


def undo(event_id: str, user: str = "u1", item: str = "m1", **changes: Any) -> Event:
    return rating(event_id, user, item, type=EventType.UNDO, rating=None, **changes)


def search(event_id: str, user: str = "u1", query: str = "star wars", **changes: Any) -> Event:
    return Event(
        event_id, EventType.SEARCH, user, None, changes.pop("timestamp_ms", NOW_MS), NOW_MS - 5,
        "api", query=query, **changes,
    )  # fmt: skip


def frame_of(events: Iterable[Event]) -> pd.DataFrame:
    """The frame that ingest makes of the events."""
    rows = []
    for event in events:
        topic = topic_of(event.type)
        row = decode(encode(event), Origin("c", topic, 0, 0, event.received_at_ms))
        assert not isinstance(row, str), row
        rows.append(row)
    return event_frame(list(zip(*rows, strict=True)) or [()] * len(Columns.EVENT))
