"""Records as Avro and back: nothing is lost, bad data stays as it is, JSON passes through."""

from __future__ import annotations

import copy
from io import BytesIO
from typing import Any

import orjson
import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from adapters.embedded_log import EmbeddedLog
from adapters.formatted_bus import FormattedBus
from adapters.schema_files import read_schemas
from recommender.avro_codec import SINGLE_OBJECT, AvroCodec, Schema, SchemaSet, schema_fingerprint
from recommender.errors import BusUnavailable
from recommender.event_codec import Origin, decode, encode, event_of
from recommender.topics import MODEL_METRICS, RATINGS, RECOMMENDATIONS, topic_of
from recommender.types import Event, EventType, Message, TopicPartition
from tests.databases_of_tests import new_database
from tests.sample_events import NOW_MS, rating

ORIGIN = Origin("c", RATINGS, 0, 7, NOW_MS)
ids = st.from_regex(r"[A-Za-z0-9._:\-]{1,40}", fullmatch=True)


class InMemoryRegistry:
    """Numbers schemas; `away` makes it fail."""

    def __init__(self) -> None:
        self.schemas: list[Schema] = []
        self.away = False

    def id_of(self, topic: str, schema: Schema) -> int:
        if self.away:
            raise BusUnavailable("away")
        if schema not in self.schemas:
            self.schemas.append(schema)
        return self.schemas.index(schema) + 1

    def schema_of(self, schema_id: int) -> Schema | None:
        if self.away:
            raise BusUnavailable("away")
        return self.schemas[schema_id - 1] if schema_id <= len(self.schemas) else None


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(EventType))
    query = draw(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
                         min_size=1, max_size=20)) if kind is EventType.SEARCH else None
    return Event(
        draw(ids), kind, draw(ids), None if kind is EventType.SEARCH else draw(ids),
        draw(st.integers(0, 2 * NOW_MS)), draw(st.integers(0, 2 * NOW_MS)), "api",
        draw(st.integers(1, 10)) / 2 if kind is EventType.RATE else None,
        draw(st.none() | st.integers(0, 300)) if kind is EventType.WATCH else None, query)


@pytest.mark.parametrize("with_registry", [False, True])
def test_what_was_written_is_read(with_registry: bool) -> None:
    codec = AvroCodec(read_schemas(), InMemoryRegistry() if with_registry else None)

    @given(events())
    def holds(event: Event) -> None:
        topic = topic_of(event.type)
        wire = codec.to_wire(topic, encode(event))
        assert wire[:1] == (b"\x00" if with_registry else b"\xc3")
        row = decode(codec.from_wire(topic, wire), ORIGIN)
        assert not isinstance(row, str), row
        assert event_of(row) == event

    holds()


def test_the_fingerprint_is_that_of_the_standard() -> None:
    # Avro's specification: CRC-64-AVRO of "int" is 7275d51a3f395c8f, written little-endian.
    assert schema_fingerprint({"type": "int"}).hex() == "8f5c393f1ad57572"


def test_json_passes_and_a_codec_that_writes_json_reads_avro() -> None:
    writes_json = AvroCodec(read_schemas(), writes=False)
    value = encode(rating("a"))
    assert writes_json.to_wire(RATINGS, value) == value == writes_json.from_wire(RATINGS, value)
    avro = AvroCodec(read_schemas()).to_wire(RATINGS, value)
    assert orjson.loads(writes_json.from_wire(RATINGS, avro))["event_id"] == "a"
    letters = "ratings.dead-letter"
    assert AvroCodec(read_schemas()).to_wire(letters, b"{}") == b"{}"


@given(st.binary(max_size=60),
       st.sampled_from([b"", b"\x00", b"\xc3\x01", b"\x00\x00\x00\x00\x01"]))
def test_whatever_bytes_come_they_stay_or_become_json(data: bytes, head: bytes) -> None:
    registry = InMemoryRegistry()
    registry.id_of(RATINGS, read_schemas().current["user-interactions"])
    codec = AvroCodec(read_schemas(), registry)
    found = codec.from_wire(RATINGS, head + data)
    assert found == head + data or isinstance(orjson.loads(found), dict)
    decode(found, ORIGIN)  # a row or a reason, never an error


def test_an_unknown_schema_is_told_as_the_reason_of_a_dead_letter() -> None:
    codec = AvroCodec(read_schemas(), InMemoryRegistry())
    for value in (b"\x00\x00\x00\x00\x09data", SINGLE_OBJECT + b"12345678data"):
        reason = decode(codec.from_wire(RATINGS, value), ORIGIN)
        assert isinstance(reason, str) and "Avro" in reason


def test_a_registry_that_is_away_is_no_reason_to_set_records_aside() -> None:
    registry = InMemoryRegistry()
    writer = AvroCodec(read_schemas(), registry)
    wire = writer.to_wire(RATINGS, encode(rating("a")))
    registry.away = True
    with pytest.raises(BusUnavailable):
        AvroCodec(read_schemas(), registry).from_wire(RATINGS, wire)
    # Who has read the schema once needs it no more.
    registry.away = False
    reader = AvroCodec(read_schemas(), registry)
    reader.from_wire(RATINGS, wire)
    registry.away = True
    assert reader.from_wire(RATINGS, wire)[:1] == b"{"


def with_device(schema: Schema) -> dict[str, Any]:
    new = copy.deepcopy(dict(schema))
    new["fields"].append({"name": "device", "type": ["null", "string"], "default": None})
    return new


def without(schema: Schema, *names: str) -> dict[str, Any]:
    old = copy.deepcopy(dict(schema))
    old["fields"] = [field for field in old["fields"] if field["name"] not in names]
    return old


def test_an_old_consumer_reads_a_new_producer_and_the_reverse() -> None:
    now = read_schemas().current["user-interactions"]
    registry = InMemoryRegistry()
    old = AvroCodec(SchemaSet({"user-interactions": now}), registry)
    new = AvroCodec(
        SchemaSet({"user-interactions": with_device(now)}, {"user-interactions": [now]}), registry)
    value = orjson.dumps({**orjson.loads(encode(rating("a"))), "device": "tv"})
    from_new = orjson.loads(old.from_wire(RATINGS, new.to_wire(RATINGS, value)))
    assert from_new["event_id"] == "a" and "device" not in from_new
    from_old = orjson.loads(new.from_wire(RATINGS, old.to_wire(RATINGS, encode(rating("b")))))
    assert from_old["event_id"] == "b"


def test_a_version_before_is_read_through_defaults_without_a_registry() -> None:
    now = read_schemas().current["user-interactions"]
    before = without(now, "source", "received_at", "schema_version", "minute")
    reader = AvroCodec(
        SchemaSet({"user-interactions": now}, {"user-interactions": [before]}))
    writer = AvroCodec(SchemaSet({"user-interactions": before}))
    row = decode(reader.from_wire(RATINGS, writer.to_wire(RATINGS, encode(rating("a")))), ORIGIN)
    assert not isinstance(row, str)
    event = event_of(row)
    assert (event.event_id, event.schema_version, event.received_at_ms) == ("a", 1, NOW_MS)


def test_avro_of_another_program_with_names_of_its_own_is_taken_in() -> None:
    theirs = {"type": "record", "name": "Rating", "namespace": "simulator", "fields": [
        {"name": "ts", "type": "long"}, {"name": "user_id", "type": "long"},
        {"name": "movie_id", "type": "long"}, {"name": "rating", "type": "float"}]}
    registry = InMemoryRegistry()
    number = registry.id_of(RATINGS, theirs)
    out = BytesIO()
    out.write(b"\x00" + number.to_bytes(4, "big"))
    schemaless_writer(out, parse_schema(dict(theirs)),
                      {"ts": NOW_MS, "user_id": 54, "movie_id": 3273, "rating": 4})
    codec = AvroCodec(read_schemas(), registry)
    row = decode(codec.from_wire(RATINGS, out.getvalue()), ORIGIN)
    assert not isinstance(row, str), row
    event = event_of(row)
    assert (event.user_id, event.item_id, event.rating, event.timestamp_ms) == (
        "54", "3273", 4.0, NOW_MS)


def test_records_that_are_not_events_have_schemas_of_their_own() -> None:
    codec = AvroCodec(read_schemas())
    answer = {"request_id": "r", "user_id": "u", "item_ids": ["1", "2"], "variant": "A",
              "model_version": "v", "is_personalized": True, "latency_ms": 0.85, "status": 200,
              "timestamp": NOW_MS}
    wire = codec.to_wire(RECOMMENDATIONS, orjson.dumps(answer))
    assert orjson.loads(codec.from_wire(RECOMMENDATIONS, wire)) == answer
    with pytest.raises(ValueError, match="name"):
        codec.to_wire(MODEL_METRICS, b'{"event_id": "a"}')


def test_a_bus_in_a_format_gives_json_and_reads_again_what_could_not_be_decoded(
    tmp_path: Any,
) -> None:
    registry = InMemoryRegistry()
    codec = AvroCodec(read_schemas(), registry)
    log = EmbeddedLog(new_database(tmp_path, "log"), 1)
    bus = FormattedBus(log, codec.to_wire, codec.from_wire)
    registry.away = True
    with pytest.raises(BusUnavailable):
        bus.publish([Message(RATINGS, "u", encode(rating("a")))])
    assert bus.problem() == "away"
    registry.away = False
    bus.publish([Message(RATINGS, "u", encode(rating(name))) for name in "abc"])
    assert bus.problem() is None
    fresh = AvroCodec(read_schemas(), registry)
    consumer = FormattedBus(log, fresh.to_wire, fresh.from_wire).consumer("g", [RATINGS])
    registry.away = True
    with pytest.raises(BusUnavailable):
        consumer.poll(10, 1)
    registry.away = False
    records = consumer.poll(10, 1)
    assert [orjson.loads(record.value)["event_id"] for record in records] == ["a", "b", "c"]
    assert consumer.position(TopicPartition(RATINGS, 0)) == 3
    log.close()
