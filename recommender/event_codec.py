"""Events as bytes on a topic, and bytes of any producer back to the columns of an event."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from recommender import topics
from recommender.types import Event, EventType

SECONDS_BELOW = 10**11
"""A numeric time below it is in seconds, else in milliseconds."""
SOURCE_UNKNOWN = "bus"
_MAX_INTEGER = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TYPES = {t.value: t for t in EventType}
_TYPE_OF_TOPIC = {
    topics.RATINGS: EventType.RATE,
    topics.WATCH_EVENTS: EventType.WATCH,
}

Row = tuple[
    str, int, str, str | None, str | None, float | None, int | None, str | None, int, int, str
]
"""Values in the order of `recommender.schemas.Columns.EVENT`."""
_SAID = slice(2, 8)  # type to query
_TIMESTAMP, _RECEIVED = 8, 9


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record lies: it names an event that came without an id. Time in UTC ms."""

    cluster_id: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int


def encode(event: Event) -> bytes:
    """One JSON object, names as in docs/api-contract.md, without the fields that have no value."""
    fields: dict[str, Any] = {
        "event_id": event.event_id,
        "schema_version": event.schema_version,
        "type": event.type.value,
        "user_id": event.user_id,
    }
    if event.item_id is not None:
        fields["item_id"] = event.item_id
    if event.rating is not None:
        fields["rating"] = event.rating
    if event.minute is not None:
        fields["minute"] = event.minute
    if event.query is not None:
        fields["query"] = event.query
    fields["timestamp"] = wire_time(event.timestamp_ms)
    fields["received_at"] = event.received_at_ms
    fields["source"] = event.source
    return orjson.dumps(fields)


def same_event(event: Event, stored: bytes) -> bool:
    """Whether `stored` (as encoded) says what `event` says, by the fields that the client sent.

    The timestamp takes part only when the client sent it both times; a stored one that equals
    the time of receipt was not sent.
    """
    known = orjson.loads(stored)
    at = known.get("timestamp")
    return (
        known.get("type") == event.type.value
        and known.get("user_id") == event.user_id
        and known.get("item_id") == event.item_id
        and known.get("rating") == event.rating
        and known.get("minute") == event.minute
        and known.get("query") == event.query
        and (
            not event.client_timestamp
            or at == known.get("received_at")
            or at == wire_time(event.timestamp_ms)
        )
    )


def same_row(row: Row, known: Row) -> bool:
    """Whether two events of one id, as columns, say the same: as `same_event` compares.

    A timestamp that equals the time of receipt was not sent.
    """
    at, received = row[_TIMESTAMP], row[_RECEIVED]
    known_at, known_received = known[_TIMESTAMP], known[_RECEIVED]
    return row[_SAID] == known[_SAID] and (
        at in (known_at, received) or known_at == known_received
    )


def wire_time(at_ms: int) -> int | str:
    """UTC ms as a JSON number, or as text where the number would be read as seconds."""
    # A small number would be read as seconds: a time before March 1973 travels as text.
    if at_ms >= SECONDS_BELOW:
        return at_ms
    return (_EPOCH + at_ms * _MILLISECOND).isoformat(timespec="milliseconds")


def decode(value: bytes, origin: Origin) -> Row | str:
    """The columns of an event from a record of any producer, or the reason why it is none.

    Aliases: movie_id = item_id, ts = timestamp. A missing type follows from the topic (an undo
    always tells its own), a missing time is that of the record, a missing event_id is made from
    the origin; fields that the type does not have are left out. Whether the values are acceptable
    (ranges, id pattern) is for `recommender.schemas` to say.
    """
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        if value[:1] == b"\x00" or value[:2] == b"\xc3\x01":
            return "Avro that cannot be read: broken, or of a schema that is not known here"
        return f"not JSON: {error}"
    if not isinstance(fields, dict):
        return "not a JSON object"
    try:
        return _row(fields, origin)
    except _Unacceptable as error:
        return str(error)


class _Unacceptable(Exception):
    """A field has no meaning; the message names it."""


def _row(fields: Mapping[str, Any], origin: Origin) -> Row:
    kind = _type(fields, origin.topic)
    received = fields.get("received_at")
    return (
        _event_id(fields, origin),
        _integer(fields, "schema_version", 1),
        kind,
        _identifier(fields, "user_id"),
        None if kind == "search" else _identifier(fields, "item_id", "movie_id"),
        _rating(fields.get("rating")) if kind == "rate" else None,
        _minute(fields) if kind == "watch" else None,
        _text(fields, "query") if kind == "search" else None,
        _time_ms(fields, "timestamp", "ts", default=origin.timestamp_ms),
        received if type(received) is int and 0 <= received <= _MAX_INTEGER
        else origin.timestamp_ms,
        _text(fields, "source") or SOURCE_UNKNOWN,
    )


def _event_id(fields: Mapping[str, Any], origin: Origin) -> str:
    given = _identifier(fields, "event_id")
    if given is not None:
        return given
    place = f"{origin.cluster_id}\x00{origin.topic}\x00{origin.partition}\x00{origin.offset}"
    return f"bus/{hashlib.sha256(place.encode()).hexdigest()}"


def _type(fields: Mapping[str, Any], topic: str) -> str:
    given = fields.get("type")
    if given is None:
        found = _TYPE_OF_TOPIC.get(topic)
        if found is None and topic == topics.BROWSE_EVENTS:
            found = EventType.VIEW if fields.get("query") is None else EventType.SEARCH
        if found is None:
            raise _Unacceptable("type: missing")
        return found.value
    if not isinstance(given, str) or given not in _TYPES:
        raise _Unacceptable(f"type: not one of {', '.join(_TYPES)}")
    return given


def _identifier(fields: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        value = fields.get(name)
        if value is None:
            continue
        if type(value) is str:
            return value
        if type(value) is int:
            return str(value)
        raise _Unacceptable(f"{name}: not text and not an integer")
    return None


def _rating(value: object) -> float | None:
    if value is None:
        return None
    if type(value) is float or type(value) is int:
        return float(value)
    raise _Unacceptable("rating: not a number")


def _minute(fields: Mapping[str, Any]) -> int | None:
    return None if fields.get("minute") is None else _integer(fields, "minute", 0)


def _integer(fields: Mapping[str, Any], name: str, default: int) -> int:
    value = fields.get(name)
    if value is None:
        return default
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or abs(value) > _MAX_INTEGER:
        raise _Unacceptable(f"{name}: not an integer")
    return value


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and type(value) is not str:
        raise _Unacceptable(f"{name}: not text")
    return value


def _time_ms(fields: Mapping[str, Any], *names: str, default: int) -> int:
    for name in names:
        value = fields.get(name)
        if value is not None:
            try:
                return time_ms(value)
            except ValueError as error:
                raise _Unacceptable(f"{name}: {error}") from error
    return default


def time_ms(value: object) -> int:
    """UTC milliseconds from ISO 8601 text (without a zone: UTC) or a number of seconds or ms.

    Raises:
        ValueError: neither of them.
    """
    if type(value) is int:
        at = value * 1000 if value < SECONDS_BELOW else value
    elif type(value) is float and math.isfinite(value):
        at = math.floor(value * 1000 if value < SECONDS_BELOW else value)
    elif type(value) is str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("not ISO 8601") from None
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        at = (zoned - _EPOCH) // _MILLISECOND
    else:
        raise ValueError("not ISO 8601 and not a finite number")
    if abs(at) > _MAX_INTEGER:
        raise ValueError("out of range")
    return at


def event_of(row: Row) -> Event:
    """The event whose columns these are."""
    event_id, version, kind, user_id, item_id, rating, minute, query, at, received, source = row
    return Event(
        event_id, EventType(kind), str(user_id), item_id, at, received, source, rating, minute,
        query, version,
    )  # fmt: skip
