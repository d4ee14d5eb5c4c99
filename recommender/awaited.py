"""Whether a history already tells of an event that was accepted a moment ago."""

from __future__ import annotations

from recommender.types import Event, EventType, History


def tells_of(history: History, event: Event) -> bool:
    """Whether the event, about a film, was applied, or one that takes its place.

    An undo was applied when nothing older of its film is left.
    """
    place = event.timestamp_ms, event.event_id
    of_film = [entry for entry in history.entries if entry.item_id == event.item_id]
    if event.type is EventType.UNDO:
        return all((entry.timestamp_ms, entry.event_id) > place for entry in of_film)
    return any(entry.type is event.type and (entry.timestamp_ms, entry.event_id) >= place
               for entry in of_film)
