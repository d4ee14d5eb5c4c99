"""An event put back on its topic is applied once, whatever happened before."""

from __future__ import annotations

import json
import time
from pathlib import Path

from adapters.audit_log import SqlAuditLog
from adapters.embedded_log import EmbeddedLog
from adapters.event_review import SqlEventReview
from adapters.event_store import SqlEventStore
from recommender.ports import Telemetry
from recommender.requeue import requeue_messages
from recommender.review import LetterFilter, LetterState, StoredLetter
from recommender.types import DeadLetter
from tests.databases_of_tests import new_database
from tests.fake_administration import CountingTelemetry, InMemoryAuditLog
from tests.fake_review import InMemoryEventReview, InMemoryTopics
from tests.fakes import InMemoryEventStore
from tests.sample_events import NOW_MS, frame_of, rating
from tests.web_world import Clock
from workers.ingest import INGEST, IngestWorker, offsets_group
from workers.requeue import AT_ONCE_MAX, Requeuer

FUTURE_MS = 400_000


def stored(number: int, value: bytes, reason: str = "?", offset: int | None = None) -> StoredLetter:
    letter = DeadLetter("c", "ratings", 1, number if offset is None else offset, "k", value, reason,
                        NOW_MS)
    return StoredLetter(number, letter, len(value))


def test_each_letter_gets_a_message_or_a_reason() -> None:
    messages, reasons = requeue_messages([
        stored(1, b'{"user_id":"u","item_id":"m","rating":3}'),
        stored(2, b'{"user_id":"u","item_id":"m","rating":33}'),
        stored(3, b"nothing"),
        stored(4, b'{"event_id":"mine","user_id":"u","item_id":"m","rating":1,"ts":1700000000}'),
    ], NOW_MS)  # fmt: skip
    assert set(messages) == {1, 4} and set(reasons) == {2, 3}
    mine = json.loads(messages[4].value)
    assert mine["event_id"] == "mine" and mine["timestamp"] == 1_700_000_000_000
    assert json.loads(messages[1].value)["event_id"].startswith("bus/")


def test_letters_of_two_logs_at_one_place_are_told_apart() -> None:
    value = b'{"user_id":"u","item_id":"m","rating":3}'
    one, other = stored(1, value, offset=7), stored(2, value, offset=7)
    other = StoredLetter(2, DeadLetter("other", *list_of(other.letter)[1:]), other.size)
    messages, _ = requeue_messages([one, other], NOW_MS)
    ids = {json.loads(message.value)["event_id"] for message in messages.values()}
    assert len(ids) == 2


def list_of(letter: DeadLetter) -> list[object]:
    return [getattr(letter, name) for name in DeadLetter.__dataclass_fields__]


def test_what_lay_in_the_future_is_taken_when_its_time_has_come() -> None:
    value = json.dumps({"user_id": "u", "item_id": "m", "rating": 3,
                        "timestamp": NOW_MS + FUTURE_MS}).encode()
    assert requeue_messages([stored(1, value)], NOW_MS)[1] == {
        1: "timestamp: before 1970 or in the future"}
    messages, reasons = requeue_messages([stored(1, value)], NOW_MS + FUTURE_MS)
    assert set(messages) == {1} and reasons == {}


def test_at_most_a_thousand_go_at_once_and_the_rest_is_told() -> None:
    store = InMemoryEventStore()
    value = b'{"user_id":"u","item_id":"m","rating":3}'
    store.apply(frame_of([]), dead_letters=[
        stored(n, value).letter for n in range(AT_ONCE_MAX + 1)])
    bus, audit = InMemoryTopics(), InMemoryAuditLog()
    requeuer = Requeuer(InMemoryEventReview(store), bus, audit, Clock())
    done = requeuer.matching("", "key:a")
    assert len(done.published) == len(bus.published) == AT_ONCE_MAX and done.more
    again = requeuer.matching("", "key:a")
    assert len(again.published) == 1 and not again.more
    assert [entry.target for entry in audit.entries()] == ["all open letters"] * 2
    assert all(len(entry.detail) < 300 for entry in audit.entries())


def test_over_real_databases_the_event_arrives_once(tmp_path: Path) -> None:
    engine = new_database(tmp_path, "store")
    store, review = SqlEventStore(engine), SqlEventReview(engine)
    log = EmbeddedLog(new_database(tmp_path, "log"), 2)
    telemetry: Telemetry = CountingTelemetry()
    value = b'{"user_id":"u1","item_id":"m9","rating":4.5}'
    bug = DeadLetter(log.cluster_id, "ratings", 0, 77, "u1", value, "cannot be applied: a bug",
                     NOW_MS)
    store.apply(frame_of([rating("before")]), dead_letters=[bug])
    ingest = IngestWorker(log, store, telemetry, lambda: NOW_MS, linger_s=0)
    group = offsets_group(INGEST, log.cluster_id)
    requeuer = Requeuer(review, log, SqlAuditLog(engine), lambda: NOW_MS)
    ingest.start()
    try:
        assert requeuer.one(1, "key:a").published == (1,)
        assert requeuer.one(1, "key:a").published == (1,)
        deadline = time.monotonic() + 20
        while sum(store.offsets(group).values()) < 2:
            assert time.monotonic() < deadline, "ingest did not read both records"
            time.sleep(0.02)
    finally:
        ingest.stop(10)
        log.close()
    entries = store.history("u1").entries
    assert [(e.item_id, e.rating) for e in entries] == [("m1", 4.0), ("m9", 4.5)]
    assert store.counts()["events"] == 2 and store.counts()["dead_letters"] == 1
    (marked,) = review.letters(LetterFilter(state=LetterState.REQUEUED)).entries
    assert (marked.requeued_at_ms, marked.requeued_by) == (NOW_MS, "key:a")
