"""Each training tells how its models did, by way of the outbox, where there is an outer bus."""

from __future__ import annotations

from pathlib import Path

import orjson
from sqlalchemy import Engine

from adapters.outbox_messages import append_for_relay
from adapters.relay_queue import SqlRelayQueue
from adapters.schema_files import read_schemas
from commands.train import run_training
from composition import StoreSide
from recommender.avro_codec import AvroCodec
from recommender.topics import MODEL_METRICS
from recommender.types import Message
from settings import Settings
from settings_groups.bus import Bus
from tests.databases_of_tests import count, new_database
from tests.training_world import settings, side  # noqa: F401


def queued(engine: Engine) -> list[Message]:
    queue = SqlRelayQueue(engine)
    found = [Message(row.topic, row.key, row.value) for row in queue.take(100)]
    queue.close()
    return found


def test_a_training_with_kafka_leaves_one_message_for_each_model(
    settings: Settings, side: StoreSide, tmp_path: Path  # noqa: F811
) -> None:
    chosen = settings.model_copy(update={
        "bus": Bus.KAFKA, "models": ["popularity", "transition_knn"]})
    assert run_training(chosen, lambda _line: None) == 0
    engine = new_database(settings.data_folder, "log")
    messages = queued(engine)
    records = {record.version_id: record for record in side.allow_list.records()}
    assert len(messages) == len(records) == 2
    for message in messages:
        told = orjson.loads(message.value)
        record = records[told["model_version"]]
        assert message.topic == MODEL_METRICS and message.key == record.name == told["name"]
        assert told["status"] == record.status.value and told["version"] == record.version
        assert 0 <= told["metrics"]["ndcg_at_10"] <= 1
        assert told["data_snapshot_id"].startswith("sha256:")
        # It has the fields of its schema.
        codec = AvroCodec(read_schemas())
        wire = codec.to_wire(MODEL_METRICS, message.value)
        assert orjson.loads(codec.from_wire(MODEL_METRICS, wire))["metrics"] == told["metrics"]


def test_with_the_embedded_log_nothing_is_written_there(
    settings: Settings, side: StoreSide  # noqa: F811
) -> None:
    chosen = settings.model_copy(update={"models": ["popularity"]})
    assert run_training(chosen, lambda _line: None) == 0
    assert count(new_database(settings.data_folder, "log"), "outbox") == 0


def test_a_message_of_a_known_id_is_put_once(tmp_path: Path, kind: str) -> None:
    engine = new_database(tmp_path, "log", kind)
    message = Message(MODEL_METRICS, "knn", b"{}")
    assert append_for_relay(engine, {"training/1": message, "training/2": message}) == 2
    assert append_for_relay(engine, {"training/1": message, "training/3": message}) == 1
    assert len(queued(engine)) == 3
