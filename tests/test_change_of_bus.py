"""The bus is changed only when nothing of the one before is left to apply."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from adapters.event_store import SqlEventStore
from composition import open_store
from events_composition import EventSide, open_events, refuse_to_leave_events
from recommender.errors import EventsLeftBehind
from recommender.topics import RATINGS
from recommender.types import TopicPartition
from settings import Settings
from tests.sample_events import frame_of, rating
from workers.ingest import offsets_group


def settings(folder: Path, bus: str) -> Settings:
    return Settings(data_folder=folder, bus=bus, kafka_bootstrap_servers=["127.0.0.1:1"])


def check(events: EventSide, store: SqlEventStore) -> None:
    refuse_to_leave_events(events, lambda log: store.offsets(offsets_group("ingest", log)))


def test_events_of_the_embedded_log_are_applied_before_kafka_is_taken(tmp_path: Path) -> None:
    with closing(open_store(settings(tmp_path, "embedded"))) as side:
        with closing(open_events(settings(tmp_path, "embedded"))) as events:
            events.outbox.accept([rating("a"), rating("b")])
            (place, end), = [(p, e) for p, e in events.bus.end_offsets([RATINGS]).items() if e]
            log = events.bus.cluster_id
            check(events, side.store)
        with closing(open_events(settings(tmp_path, "kafka"))) as events:
            with pytest.raises(EventsLeftBehind, match=r"2 accepted events .* bus=embedded"):
                check(events, side.store)
            side.store.apply(frame_of([rating("a"), rating("b")]),
                             {TopicPartition(RATINGS, place.partition): end},
                             group=offsets_group("ingest", log))
            check(events, side.store)


def test_events_for_kafka_are_sent_before_the_embedded_log_is_taken(tmp_path: Path) -> None:
    with closing(open_store(settings(tmp_path, "kafka"))) as side:
        with closing(open_events(settings(tmp_path, "kafka"))) as events:
            check(events, side.store)
            events.outbox.accept([rating("a")])
            check(events, side.store)
            assert events.queue is not None
        with (
            closing(open_events(settings(tmp_path, "embedded"))) as embedded,
            pytest.raises(EventsLeftBehind, match=r"1 accepted events .* bus=kafka"),
        ):
            check(embedded, side.store)
        with closing(open_events(settings(tmp_path, "kafka"))) as events:
            assert events.queue is not None
            events.queue.mark_sent([row.sequence for row in events.queue.take(10)])
        with closing(open_events(settings(tmp_path, "embedded"))) as embedded:
            check(embedded, side.store)
