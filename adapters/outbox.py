"""What the outbox answers: duplicates, conflicts and quotas of one batch of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson
from sqlalchemy import Connection, bindparam, select

from adapters.bulk_insert import ColumnQuery, bulk_insert
from adapters.tables import log_properties, outbox
from recommender.event_codec import encode, same_event
from recommender.topics import RATINGS, topic_of
from recommender.types import Acceptance, Event, EventType, Outcome

HOUR_MS = 3_600_000
_PROBED = "probed_at_ms"
_IDS_PER_QUERY = 512
_LOOKUP_OF_POSTGRESQL = "SELECT event_id, value FROM outbox WHERE event_id = ANY(%s)"
_RECENT = ColumnQuery(
    select(outbox.c.key, outbox.c.accepted_at_ms).where(
        outbox.c.topic == RATINGS,
        outbox.c.key.in_(bindparam("users", expanding=True)),
        outbox.c.accepted_at_ms > bindparam("after_ms"),
    )
)


@dataclass(slots=True)
class Offer:
    """An event on its way into the outbox, with the bytes that will lie on the topic."""

    event: Event
    topic: str
    value: bytes

    def accepted_at_ms(self, now_ms: int) -> int:
        """Not before it was received, though the clock was set back in between: its record would
        be dated long before the event, which would be one in the future."""
        return max(now_ms, self.event.received_at_ms)


def offer(event: Event) -> Offer:
    """The event encoded for its topic."""
    return Offer(event, topic_of(event.type), encode(event))


def decide(
    offers: Sequence[Offer],
    known: Mapping[str, bytes],
    recent: Mapping[str, Sequence[int]],
    ratings_per_hour: int | None,
    now_ms: int,
) -> tuple[list[Acceptance], list[Offer]]:
    """The answer for each offer, and the offers to write, in their order.

    `known` holds the stored value of each offered id that is in the outbox already, `recent` the
    times (UTC ms) of each user's ratings accepted in the hour before `now_ms`.
    """
    taken = dict(known)
    made: dict[str, list[int]] = {}
    answers: list[Acceptance] = []
    fresh: list[Offer] = []
    for each in offers:
        event = each.event
        stored = taken.get(event.event_id)
        if stored is not None:
            same = same_event(event, stored)
            outcome = Outcome.DUPLICATE if same else Outcome.CONFLICT
            answers.append(Acceptance(event.event_id, outcome))
            continue
        if ratings_per_hour is not None and event.type is EventType.RATE:
            times = made.get(event.user_id)
            if times is None:
                times = made[event.user_id] = sorted(recent.get(event.user_id, ()))
            if len(times) >= ratings_per_hour:
                wait_s = _wait_s(times, ratings_per_hour, now_ms)
                answers.append(Acceptance(event.event_id, Outcome.OVER_QUOTA, wait_s))
                continue
            times.append(now_ms)
        taken[event.event_id] = each.value
        answers.append(Acceptance(event.event_id, Outcome.ACCEPTED))
        fresh.append(each)
    return answers, fresh


def decided(
    connection: Connection, offers: Sequence[Offer], ratings_per_hour: int | None, now_ms: int
) -> tuple[list[Acceptance], list[Offer]]:
    """As `decide`, with what the outbox holds; within the transaction that writes."""
    if not offers:
        return [], []
    known = known_values(connection, [o.event.event_id for o in offers])
    recent = {} if ratings_per_hour is None else recent_ratings(connection, offers, now_ms)
    return decide(offers, known, recent, ratings_per_hour, now_ms)


def note_probe(connection: Connection, now_ms: int) -> None:
    """A write that adds nothing: whether the database takes one."""
    bulk_insert(
        connection,
        log_properties,
        ("name", "value"),
        [(_PROBED, str(now_ms))],
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )


def _wait_s(times: Sequence[int], limit: int, now_ms: int) -> int:
    # The quota has room again once the limit-th newest rating is an hour old.
    if limit == 0:
        return HOUR_MS // 1000
    return max(1, -(-(times[-limit] + HOUR_MS - now_ms) // 1000))


def known_values(connection: Connection, event_ids: Sequence[str]) -> dict[str, bytes]:
    """The stored value of each of the ids that the outbox holds."""
    known: dict[str, bytes] = {}
    if connection.dialect.name == "postgresql":
        found = connection.exec_driver_sql(_LOOKUP_OF_POSTGRESQL, (list(event_ids),))
        return {row[0]: bytes(row[1]) for row in found}
    for start in range(0, len(event_ids), _IDS_PER_QUERY):
        ids = list(event_ids[start : start + _IDS_PER_QUERY])
        # Repeating an id up to a power of two keeps the number of different texts small.
        size = 1 << (len(ids) - 1).bit_length()
        padded = (*ids, *(ids[:1] * (size - len(ids))))
        names, values = map(orjson.loads, connection.exec_driver_sql(_lookup(size), padded).one())
        known.update(zip(names, map(bytes.fromhex, values), strict=True))
    return known


@lru_cache(maxsize=64)
def _lookup(size: int) -> str:
    # Compiling an IN of SQLAlchemy Core takes longer than the lookup itself.
    return (
        "SELECT json_group_array(event_id), json_group_array(hex(value)) "
        f"FROM outbox WHERE event_id IN ({', '.join('?' * size)})"
    )


def recent_ratings(
    connection: Connection, offers: Sequence[Offer], now_ms: int
) -> dict[str, list[int]]:
    """For the users who rate in `offers`: the times of their ratings of the last hour."""
    users = {o.event.user_id for o in offers if o.event.type is EventType.RATE}
    if not users:
        return {}
    found = _RECENT.fetch(connection, users=list(users), after_ms=now_ms - HOUR_MS)
    recent: dict[str, list[int]] = {}
    for user, at_ms in zip(*found, strict=True):
        recent.setdefault(user, []).append(at_ms)
    return recent
