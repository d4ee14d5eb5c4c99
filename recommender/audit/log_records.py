"""Records of foreign logs: which fields hold the user, the films and the time.

A record is a JSON object. Ids may be text or whole numbers; 7, 7.0 and "7" are one id. Nothing
here raises: what cannot be understood is None or missing.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from recommender.event_codec import SECONDS_BELOW

Record = Mapping[str, Any]
_LIST_FIELDS = ("movie_ids", "item_ids", "recommendations")
_ID_FIELDS = ("movie_id", "item_id", "id")
_TIME_FIELDS = ("timestamp", "ts")
_ENVELOPES = ("response", "value", "payload", "body")
_SEPARATORS = re.compile(r"[\s,;|\[\]()\"']+")
_INTEGER = re.compile(r"[+-]?\d+")
_INTEGERS, _TEXTS = {int}, {str}
UNKNOWN_SEGMENT = "unknown"


def id_of(value: object) -> str | None:
    """The id as text; None for what is none (null, "", a truth value, a list, NaN)."""
    if type(value) is str:
        return value.strip() or None
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return str(int(value)) if value.is_integer() else None
    return None


def item_of(record: Record) -> str | None:
    """The film of an event: `movie_id`, else `item_id`."""
    return id_of(record.get("movie_id")) or id_of(record.get("item_id"))


ItemId = str | int
"""An id as it was read: `id_of` makes text of a whole number."""


def items_of(record: Record) -> list[ItemId]:
    """The films of a list, in its order, repetitions too; empty when there is none.

    Taken from the first of movie_ids, item_ids, recommendations that holds any (a list of ids, of
    objects with an id or of (id, score) pairs, or ids in one text, parted by commas, semicolons,
    bars or blanks), else the one film of movie_id or item_id. An answer inside response, value,
    payload or body counts as well.
    """
    for name in _LIST_FIELDS:
        found = record.get(name)
        if found is not None and (items := _items(found)):
            return items
    if (single := item_of(record)) is not None:
        return [single]
    for name in _ENVELOPES:
        inner = record.get(name)
        if isinstance(inner, dict) and (items := items_of(inner)):
            return items
    return []


def field_of(record: Record, name: str) -> Any:
    """A field of the record, or of the answer inside it."""
    found = record.get(name)
    if found is None:
        for envelope in _ENVELOPES:
            inner = record.get(envelope)
            if isinstance(inner, dict) and (found := inner.get(name)) is not None:
                break
    return found


def segment_of(user: object) -> str:
    """`even` or `odd`: the parity of a user id that is a whole number, also one written as text.

    Any other id has the parity of the CRC-32 of its UTF-8 bytes, which is the same everywhere and
    halves any set of ids. Without an id: `unknown`.
    """
    user_id = id_of(user)
    if user_id is None:
        return UNKNOWN_SEGMENT
    if _INTEGER.fullmatch(user_id):
        odd = int(user_id[-1]) % 2
    else:
        odd = zlib.crc32(user_id.encode("utf-8", "surrogatepass")) & 1
    return "odd" if odd else "even"


def variant_of(record: Record) -> str | None:
    """The variant as text, None without one."""
    return id_of(field_of(record, "variant"))


def number_of(value: object) -> float | None:
    """A finite number, also one written as text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value) if abs(value) < 1e300 else math.inf
    return number if math.isfinite(number) else None


def seconds_of(record: Record) -> float | None:
    """`timestamp`, else `ts`, in seconds since 1970 UTC.

    A number below 1e11 is in seconds, else in milliseconds; text is a number or ISO 8601 (UTC
    without a zone).
    """
    for name in _TIME_FIELDS:
        value = record.get(name)
        if value is None:
            continue
        if type(value) is int:  # the usual case, a third of the time
            return value if abs(value) < SECONDS_BELOW else value / 1000
        number = number_of(value)
        if number is not None:
            return number if abs(number) < SECONDS_BELOW else number / 1000
        if isinstance(value, str) and (moment := _instant(value)) is not None:
            return moment
    return None


def _instant(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return found.timestamp()
    except (ValueError, OverflowError):
        return None


def _items(found: object) -> list[ItemId]:
    if isinstance(found, list):
        kinds = set(map(type, found))
        if kinds == _INTEGERS:
            return found
        if kinds == _TEXTS:
            return [text for entry in found if (text := entry.strip())]
        return [i for entry in found if (i := _entry_id(entry)) is not None]
    if isinstance(found, str):
        return [part for part in _SEPARATORS.split(found) if part]
    single = id_of(found)
    return [] if single is None else [single]


def _entry_id(entry: object) -> str | None:
    if isinstance(entry, dict):
        return next((i for name in _ID_FIELDS if (i := id_of(entry.get(name)))), None)
    if isinstance(entry, list):
        return id_of(entry[0]) if entry else None  # (id, score)
    return id_of(entry)
