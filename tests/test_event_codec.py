"""Events to bytes and back, and what other producers may write."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.event_codec import (
    Origin,
    Row,
    decode,
    encode,
    same_event,
    same_row,
    time_ms,
)
from recommender.topics import EVENT_TOPICS, WATCH_EVENTS, topic_of
from recommender.types import Event, EventType
from tests.sample_events import NOW_MS, rating, search, undo, watch

ORIGIN = Origin("cluster", "ratings", 2, 17, NOW_MS)
ids = st.text("abcXYZ019._:-", min_size=1, max_size=20)
times = st.integers(0, 4_102_444_800_000)


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(list(EventType)))
    return Event(
        event_id=draw(ids),
        type=kind,
        user_id=draw(ids),
        item_id=None if kind is EventType.SEARCH else draw(ids),
        timestamp_ms=draw(times),
        received_at_ms=draw(times),
        source=draw(ids),
        rating=draw(st.integers(1, 10)) / 2 if kind is EventType.RATE else None,
        minute=draw(st.none() | st.integers(0, 300)) if kind is EventType.WATCH else None,
        query=draw(st.text(min_size=1, max_size=9).filter(_encodable))
        if kind is EventType.SEARCH
        else None,
    )


def _encodable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


@given(events())
def test_an_event_comes_back_from_its_bytes_whole(event: Event) -> None:
    assert decode(encode(event), ORIGIN) == (
        event.event_id, event.schema_version, event.type.value, event.user_id, event.item_id,
        event.rating, event.minute, event.query, event.timestamp_ms, event.received_at_ms,
        event.source,
    )  # fmt: skip


@given(events())
def test_an_event_is_the_same_as_what_was_stored_of_it(event: Event) -> None:
    assert same_event(event, encode(event))


names = st.sampled_from(
    ["event_id", "user_id", "item_id", "movie_id", "rating", "timestamp", "ts", "type", "minute",
     "query", "received_at", "source", "schema_version"]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
objects = st.dictionaries(names, scalars | st.lists(scalars) | st.dictionaries(names, scalars))


@given(st.binary(max_size=200) | objects.map(orjson.dumps))
def test_no_bytes_make_decoding_fail(value: bytes) -> None:
    assert isinstance(decode(value, ORIGIN), str | tuple)


def test_names_on_the_wire_are_those_of_the_contract() -> None:
    wire = orjson.loads(encode(rating("e1", "u", "m", rating=3.5)))
    assert wire == {
        "event_id": "e1", "schema_version": 1, "type": "rate", "user_id": "u", "item_id": "m",
        "rating": 3.5, "timestamp": NOW_MS, "received_at": NOW_MS - 5, "source": "api",
    }  # fmt: skip


def test_other_producers_may_say_movie_id_ts_and_integers() -> None:
    row = decode(b'{"event_id":7,"user_id":42,"movie_id":9,"rating":4,"ts":1000000000}', ORIGIN)
    assert row == ("7", 1, "rate", "42", "9", 4.0, None, None, 1_000_000_000_000, NOW_MS, "bus")


@pytest.mark.parametrize("received", [b"-1", b"9223372036854775808", b"1.5", b"true", b'"x"'])
def test_a_time_of_receipt_that_is_none_is_that_of_the_record(received: bytes) -> None:
    value = b'{"user_id":"u","item_id":"m","rating":4,"received_at":%s}' % received
    assert decode(value, ORIGIN)[9] == NOW_MS


def test_an_event_without_an_id_is_named_by_its_place_on_the_bus() -> None:
    value = b'{"user_id":"u","item_id":"m","rating":4}'
    row = decode(value, ORIGIN)
    expected = "bus/" + hashlib.sha256(b"cluster\x00ratings\x002\x0017").hexdigest()
    assert row[0] == expected
    assert decode(value, Origin("cluster", "ratings", 2, 18, NOW_MS))[0] != expected


@pytest.mark.parametrize(
    ("topic", "value", "kind"),
    [
        ("ratings", b'{"user_id":"u","item_id":"m","rating":4}', "rate"),
        ("watch-events", b'{"user_id":"u","item_id":"m"}', "watch"),
        ("browse-events", b'{"user_id":"u","item_id":"m"}', "view"),
        ("browse-events", b'{"user_id":"u","query":"x"}', "search"),
    ],
)
def test_a_missing_type_follows_from_the_topic(topic: str, value: bytes, kind: str) -> None:
    assert decode(value, Origin("c", topic, 0, 0, NOW_MS))[2] == kind


@pytest.mark.parametrize("topic", EVENT_TOPICS)
def test_an_undo_tells_its_type_on_every_topic(topic: str) -> None:
    value = b'{"type":"undo","user_id":"u","movie_id":"m","rating":4,"minute":3,"query":"x"}'
    row = decode(value, Origin("c", topic, 0, 0, NOW_MS))
    assert row[2:8] == ("undo", "u", "m", None, None, None)


def test_an_undo_travels_on_the_topic_of_watches_without_further_fields() -> None:
    assert topic_of(EventType.UNDO) == WATCH_EVENTS
    assert orjson.loads(encode(undo("e1", "u", "m"))) == {
        "event_id": "e1", "schema_version": 1, "type": "undo", "user_id": "u", "item_id": "m",
        "timestamp": NOW_MS, "received_at": NOW_MS - 5, "source": "api",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        (1_700_000_000, 1_700_000_000_000),
        (99_999_999_999, 99_999_999_999_000),
        (100_000_000_000, 100_000_000_000),
        (1.5, 1500),
        ("2025-11-24T10:00:00", 1_763_978_400_000),
        ("2025-11-24T10:00:00+01:00", 1_763_974_800_000),
        ("2025-11-24T10:00:00.250Z", 1_763_978_400_250),
    ],
)
def test_a_time_is_seconds_milliseconds_or_iso_8601(given_time: object, expected: int) -> None:
    assert time_ms(given_time) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"user_id":{"a":1},"rating":4}', "user_id: not text and not an integer"),
        (b'{"user_id":true,"rating":4}', "user_id: not text and not an integer"),
        (b'{"user_id":"u","rating":"5"}', "rating: not a number"),
        (b'{"user_id":"u","rating":true}', "rating: not a number"),
        (b'{"type":"dance"}', "type: not one of"),
        (b'{"type":["rate"]}', "type: not one of"),
        (b'{"timestamp":"yesterday"}', "timestamp: not ISO 8601"),
        (b'{"ts":[]}', "ts: not ISO 8601 and not a finite number"),
        (b'{"timestamp":1e300}', "timestamp: out of range"),
        (b'{"schema_version":1.5}', "schema_version: not an integer"),
    ],
)
def test_what_cannot_be_read_comes_with_a_reason(value: bytes, reason: str) -> None:
    decoded = decode(value, ORIGIN)
    assert isinstance(decoded, str)
    assert decoded.startswith(reason)


def test_fields_that_the_type_does_not_have_are_left_out() -> None:
    value = b'{"type":"search","user_id":"u","item_id":"m","rating":4,"minute":3,"query":"x"}'
    assert decode(value, ORIGIN)[2:8] == ("search", "u", None, None, None, "x")


@pytest.mark.parametrize(
    "other",
    [
        rating("e", rating=4.5), rating("e", user="u2"), rating("e", item="m2"),
        rating("e", timestamp_ms=NOW_MS + 1), search("e"), undo("e"),
    ],
)  # fmt: skip
def test_another_rating_user_film_time_or_type_makes_another_event(other: Event) -> None:
    assert not same_event(other, encode(rating("e")))


def test_an_undo_and_a_watch_of_one_id_are_two_events() -> None:
    assert not same_event(undo("e"), encode(watch("e")))
    assert same_event(undo("e"), encode(undo("e")))


@given(events(), events())
def test_columns_are_compared_as_events_are(one: Event, other: Event) -> None:
    # Times before 1973 travel as text.
    one = replace(one, timestamp_ms=one.timestamp_ms + 10**11)
    other = replace(other, timestamp_ms=other.timestamp_ms + 10**11)
    for sent in (one, replace(one, timestamp_ms=one.timestamp_ms + 1), other):
        again = replace(sent, event_id=one.event_id, received_at_ms=one.received_at_ms + 9)
        again = replace(again, client_timestamp=again.timestamp_ms != again.received_at_ms)
        assert same_row(_columns(again), _columns(one)) == same_event(again, encode(one))
        assert same_row(_columns(one), _columns(again)) == same_row(_columns(again), _columns(one))


def _columns(event: Event) -> Row:
    row = decode(encode(event), ORIGIN)
    assert not isinstance(row, str)
    return row


def test_arrival_times_take_no_part_in_the_comparison() -> None:
    arrived = {"timestamp_ms": NOW_MS, "received_at_ms": NOW_MS, "client_timestamp": False}
    later = {"timestamp_ms": NOW_MS + 9, "received_at_ms": NOW_MS + 9}
    stored = encode(rating("e", **arrived))
    assert same_event(rating("e", **later, client_timestamp=False), stored)
    assert same_event(rating("e", **later), stored)
    assert same_event(rating("e", **later, client_timestamp=False), encode(rating("e")))
