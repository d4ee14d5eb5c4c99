"""A store made anew from the topics of a real broker."""

from __future__ import annotations

from pathlib import Path
from random import Random

import orjson

from adapters.catalogue import SqlCatalogue
from adapters.event_store import SqlEventStore
from adapters.topic_records import KafkaRecords
from commands.replay_sources import Target, replay_bus
from recommender.event_codec import encode
from recommender.topics import EVENT_TOPICS, RATINGS, topic_of
from recommender.types import Message
from tests.kafka.broker import Broker
from tests.kafka.cluster import namespace
from tests.sample_events import NOW_MS, frame_of
from tests.store_of_tests import new_store
from tests.test_replay import events


def test_the_topics_of_kafka_with_events_of_other_programs(tmp_path: Path, broker: Broker) -> None:
    with namespace(broker) as space:
        bus = space.bus()
        mine = events(Random(1), 30, "mine")
        engine = new_store(tmp_path / "one")
        store = SqlEventStore(engine)
        foreign = [Message(RATINGS, str(n), orjson.dumps(
            {"ts": f"2025-10-{n + 1:02d}T10:00:00", "user_id": n, "movie_id": 7, "rating": 4}))
            for n in range(9)]  # fmt: skip
        bus.publish([Message(topic_of(e.type), e.user_id, encode(e)) for e in mine] + foreign)
        records = KafkaRecords(space.access(), space.names)
        done = replay_bus(records, Target(store, SqlCatalogue(engine), lambda _p: None), NOW_MS * 2)
        assert (done.events, done.letters) == (len(mine) + 9, 0)
        again = new_store(tmp_path / "two")
        SqlEventStore(again).apply(frame_of(mine))
        replay_bus(records, Target(SqlEventStore(again), SqlCatalogue(again), lambda _p: None),
                   NOW_MS * 2)
        assert SqlEventStore(again).state_hash() == store.state_hash()
        ends = {p: end for p, end in bus.end_offsets(EVENT_TOPICS).items() if end}
        assert store.offsets(f"ingest/{bus.cluster_id}") == ends
