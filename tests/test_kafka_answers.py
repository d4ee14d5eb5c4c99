"""What was answered and trained stands on the topics of a real broker, as JSON and as Avro."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapters.schema_files import read_schemas
from adapters.schema_registry import SchemaRegistry
from recommender.avro_codec import AvroCodec
from recommender.topics import (
    EVENT_TOPICS,
    MODEL_METRICS,
    RATINGS,
    RECOMMENDATION_REQUESTS,
    RECOMMENDATIONS,
)
from tests.kafka.broker import Broker
from tests.kafka.cluster import Namespace, namespace
from tests.kafka.program import applied, bus_check, program_on_kafka
from tests.running_server import prepared_home, soon


def read(space: Namespace, codec: AvroCodec, topic: str, at_least: int) -> list[dict[str, Any]]:
    consumer = space.bus().consumer(uuid.uuid4().hex, [topic])
    values: list[bytes] = []
    for _ in range(60):
        values += [record.value for record in consumer.poll(500, 1)]
        if len(values) >= at_least:
            break
    consumer.close()
    return [orjson.loads(codec.from_wire(topic, value)) for value in values]


@pytest.mark.timeout(240)  # starts a broker, a registry and the program, and trains
@pytest.mark.parametrize("topic_format", ["json", "avro with a registry"])
def test_answers_and_trainings_are_on_their_topics_and_events_come_back(
    tmp_path: Path, broker: Broker, topic_format: str, request: pytest.FixtureRequest
) -> None:
    home = prepared_home(tmp_path)
    known = applied(home)
    changes = {"topic_format": topic_format.partition(" ")[0], "models": '["popularity"]'}
    registry = None
    with namespace(broker) as space:
        if "registry" in topic_format:
            changes["schema_registry_url"] = request.getfixturevalue("registry_url")
            registry = SchemaRegistry(changes["schema_registry_url"], space.names.on_kafka)
        codec = AvroCodec(read_schemas(), registry)
        with program_on_kafka(home, space, **changes).start() as program:
            soon(lambda: bus_check(program) == ("ready", "ok"))
            body = {"event_id": "mine", "user_id": "u1", "item_id": "m1", "rating": 5}
            assert program.ask("POST", "/rate", body).status == 200
            soon(lambda: applied(home) == known + 1, 30)
            answers = [program.ask("GET", f"/recommend?user_id=u{n}&k=5").json() for n in range(4)]
            ids = [answer["provenance"]["request_id"] for answer in answers]
            told = {each["request_id"]: each for each in read(space, codec, RECOMMENDATIONS, 4)}
            assert [told[name]["item_ids"] for name in ids] == [
                [film["item_id"] for film in answer["recommendations"]] for answer in answers]
            asked = read(space, codec, RECOMMENDATION_REQUESTS, 4)
            assert sorted(each["request_id"] for each in asked) == sorted(ids)
            assert {each["k"] for each in asked} == {5}
            (event,) = read(space, codec, RATINGS, 1)
            assert event["event_id"] == "mine"
            trained = program.ask("POST", "/models/retrain", {}, home.admin)
            assert trained.status in (200, 202), trained.body
            metrics = read(space, codec, MODEL_METRICS, 1)
            assert metrics[0]["kind"] == "training" and metrics[0]["metrics"]
            soon(lambda: program.metric("reco_consumer_lag") == 0)
            assert program.metric("reco_events_dead_lettered_total") == 0
            assert program.terminate() == 0
        raw = space.bus().consumer("raw", EVENT_TOPICS)
        values = [r.value for _ in range(20) for r in raw.poll(10, 0.5)]
        raw.close()
        assert values and values[0][:1] == (b"{" if topic_format == "json" else b"\x00")
