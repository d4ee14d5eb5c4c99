"""Avro on a real broker with a real registry: compatible both ways, refused when it breaks."""

from __future__ import annotations

import copy
import json
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapters.formatted_bus import FormattedBus
from adapters.schema_files import read_schemas
from adapters.schema_registry import SchemaRegistry
from benchmarks.ports import free_port
from fairreel import main
from recommender.avro_codec import AvroCodec, SchemaSet
from recommender.errors import BusUnavailable
from recommender.event_codec import encode
from recommender.topics import RATINGS, SUBJECT_OF
from recommender.types import Message
from tests.kafka.broker import Broker
from tests.kafka.cluster import Namespace, namespace
from tests.sample_events import rating

SUBJECT = "user-interactions"
NOW = read_schemas().current[SUBJECT]


@pytest.fixture
def space(broker: Broker) -> Iterator[Namespace]:
    with namespace(broker, 1) as made:
        yield made


def changed(**field: Any) -> dict[str, Any]:
    schema = copy.deepcopy(dict(NOW))
    schema["fields"].append({"name": "device", **field})
    return schema


NEW = changed(type=["null", "string"], default=None)


def bus_of(space: Namespace, url: str, schema: Any, *earlier: Any) -> FormattedBus:
    """A program whose current schema is this one, with a registry client of its own."""
    schemas = SchemaSet({**read_schemas().current, SUBJECT: schema}, {SUBJECT: earlier})
    codec = AvroCodec(schemas, SchemaRegistry(url, space.names.on_kafka))
    return FormattedBus(space.bus(), codec.to_wire, codec.from_wire)


def read(bus: FormattedBus, count: int) -> list[dict[str, Any]]:
    consumer = bus.consumer(uuid.uuid4().hex, [RATINGS])
    found: list[dict[str, Any]] = []
    for _ in range(60):
        found += [orjson.loads(record.value) for record in consumer.poll(100, 1)]
        if len(found) >= count:
            break
    consumer.close()
    return found


def test_an_old_consumer_reads_a_new_producer_and_the_reverse_over_broker_and_registry(
    space: Namespace, registry_url: str
) -> None:
    SchemaRegistry(registry_url, space.names.on_kafka).set_up(RATINGS, NOW)
    old, new = bus_of(space, registry_url, NOW), bus_of(space, registry_url, NEW, NOW)
    with_device = orjson.dumps({**orjson.loads(encode(rating("from new"))), "device": "tv"})
    old.publish([Message(RATINGS, "u", encode(rating("from old")))])
    new.publish([Message(RATINGS, "u", with_device)])
    raw = space.bus().consumer("raw", [RATINGS])
    values: list[bytes] = []
    while len(values) < 2:
        values += [record.value for record in raw.poll(10, 1)]
    raw.close()
    numbers = [int.from_bytes(value[1:5], "big") for value in values]
    assert [value[0] for value in values] == [0, 0] and numbers[0] != numbers[1]
    for bus in (old, new):
        assert [event["event_id"] for event in read(bus, 2)] == ["from old", "from new"]
    assert [event.get("device") for event in read(new, 2)] == [None, "tv"]
    assert [event.get("device") for event in read(old, 2)] == [None, None]


def test_a_schema_that_breaks_readers_is_refused_and_the_events_are_not_sent(
    space: Namespace, registry_url: str
) -> None:
    SchemaRegistry(registry_url, space.names.on_kafka).set_up(RATINGS, NOW)
    breaking = bus_of(space, registry_url, changed(type="string"))
    with pytest.raises(BusUnavailable, match="409"):
        breaking.publish([Message(RATINGS, "u", encode(rating("a")))])
    assert "409" in str(breaking.problem())
    assert sum(space.bus().end_offsets([RATINGS]).values()) == 0


def test_the_registry_keeps_one_id_for_a_schema_and_knows_no_other(
    space: Namespace, registry_url: str
) -> None:
    registry = SchemaRegistry(registry_url, space.names.on_kafka)
    number = registry.id_of(RATINGS, NOW)
    again = SchemaRegistry(registry_url, space.names.on_kafka)
    assert again.id_of(RATINGS, NOW) == number
    found = again.schema_of(number)
    assert found is not None and found["name"] == "UserInteraction"
    assert again.schema_of(2**30) is None
    away = SchemaRegistry(f"http://127.0.0.1:{free_port()}", space.names.on_kafka)
    with pytest.raises(BusUnavailable, match="schema registry at"):
        away.id_of(RATINGS, NOW)


def test_kafka_setup_registers_the_schemas_and_asks_for_compatibility(
    broker: Broker, registry_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    prefix = f"{uuid.uuid4().hex[:8]}-"
    for name, value in {
        "BUS": "kafka", "KAFKA_BOOTSTRAP_SERVERS": json.dumps([broker.address]),
        "KAFKA_TOPIC_PREFIX": prefix, "TOPIC_FORMAT": "avro", "TOPIC_PARTITIONS": "1",
        "SCHEMA_REGISTRY_URL": registry_url,
    }.items():  # fmt: skip
        monkeypatch.setenv(f"FAIRREEL_{name}", value)
    for _ in range(2):
        assert main(["kafka-setup", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert {each["schema_of"] for each in report if "schema_of" in each} == set(SUBJECT_OF)
    with urllib.request.urlopen(f"{registry_url}/config/{prefix}ratings-value") as answer:
        assert "BACKWARD" in answer.read().decode()
