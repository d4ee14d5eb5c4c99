"""What leaves the store for its age, and what must stay: state, undos, what is not yet safe."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from adapters.event_store import SqlEventStore
from adapters.store_marks import StoreMarks
from adapters.store_trim import AppliedEventsTrim, BrowseEventsTrim, DeadLettersTrim
from recommender.types import DeadLetter, TopicPartition, Trimmed
from tests.databases_of_tests import count
from tests.sample_events import NOW_MS, frame_of, rating, search, undo, view, watch
from tests.store_of_tests import new_store

DAY = 24 * 3_600_000
PLACE = TopicPartition("ratings", 0)


@pytest.fixture
def engine(tmp_path: Path, kind: str) -> Engine:
    return new_store(tmp_path, kind)


@pytest.fixture
def store(engine: Engine) -> SqlEventStore:
    return SqlEventStore(engine)


def mark(engine: Engine, at_ms: int) -> None:
    StoreMarks(engine).note(at_ms, 0)


def ids(store: SqlEventStore) -> list[str]:
    return [e for frame in store.event_chunks(0, 1000) for e in frame["event_id"].tolist()]


def trim_events(engine: Engine, before_ms: int, snapshot_until: int) -> int:
    return sum(AppliedEventsTrim(engine, lambda: snapshot_until).steps(before_ms))


EVENTS = [
    rating("a", item="m1"), watch("b", item="m2"), undo("c", item="m3", timestamp_ms=NOW_MS + 9),
    search("d"), rating("e", user="u2"),
]  # fmt: skip


def test_applied_events_go_by_when_they_were_applied_and_the_state_stays(
    engine: Engine, store: SqlEventStore
) -> None:
    store.apply(frame_of(EVENTS))
    last = store.last_sequence()
    mark(engine, NOW_MS)
    # Applied later, though its own time is long ago: an import of old ratings.
    store.apply(frame_of([rating("import", item="m9", timestamp_ms=NOW_MS - 99 * DAY)]))
    before, versions = store.state_hash(), store.history_version("u1")
    assert trim_events(engine, NOW_MS - 1, 10**9) == 0  # no mark is that old
    assert trim_events(engine, NOW_MS, 10**9) == 5
    assert ids(store) == ["import"]
    assert store.trimmed() == Trimmed(last)
    assert store.state_hash() == before and store.history_version("u1") == versions


def test_nothing_goes_that_no_snapshot_holds(engine: Engine, store: SqlEventStore) -> None:
    store.apply(frame_of(EVENTS))
    mark(engine, NOW_MS)
    assert trim_events(engine, NOW_MS, 0) == 0
    third = sorted(s for frame in store.event_chunks(0, 9) for s in frame["sequence"])[2]
    # The event of the watermark stays: by it a snapshot knows its store.
    assert trim_events(engine, NOW_MS, third) == 2
    assert ids(store) == ["c", "d", "e"]


def test_trimmed_events_that_come_again_change_no_state_and_undone_ones_stay_undone(
    engine: Engine, store: SqlEventStore
) -> None:
    store.apply(frame_of([*EVENTS, rating("gone", item="m3")]))
    mark(engine, NOW_MS)
    before = store.state_hash()
    assert trim_events(engine, NOW_MS, 10**9) == 6
    assert store.apply(frame_of([*EVENTS, rating("gone", item="m3")])).applied == 6
    assert store.state_hash() == before
    assert all(entry.item_id != "m3" for entry in store.history("u1").entries)


def test_numbers_of_removed_events_never_come_again(
    engine: Engine, store: SqlEventStore
) -> None:
    store.apply(frame_of(EVENTS))
    mark(engine, NOW_MS)
    last = store.last_sequence()
    trim_events(engine, NOW_MS, 10**9)
    assert store.last_sequence() == 0
    store.apply(frame_of([rating("next")]))
    assert store.last_sequence() > last


def test_views_and_searches_leave_events_and_state_and_the_rest_stays(
    engine: Engine, store: SqlEventStore
) -> None:
    store.apply(frame_of([*EVENTS, view("v", item="m4"), view("w", user="u2", item="m4")]))
    mark(engine, NOW_MS)
    # A newer view of the same film replaced the old one: it is not old.
    store.apply(frame_of([view("x", user="u2", item="m4", timestamp_ms=NOW_MS + 5), search("y")]))
    trim = BrowseEventsTrim(engine, lambda: 0)
    assert sum(trim.steps(NOW_MS)) == 3
    assert sum(trim.steps(NOW_MS)) == 0
    assert sorted(ids(store)) == ["a", "b", "c", "e", "x", "y"]
    history = store.history("u1")
    assert [entry.event_id for entry in history.entries] == ["a", "b"]
    assert history.searches == ("star wars",)
    assert [e.event_id for e in store.history("u2").entries] == ["e", "x"]
    assert count(engine, "tombstones") == 1


def test_the_event_by_which_a_snapshot_knows_the_store_stays_even_if_it_is_a_view(
    engine: Engine, store: SqlEventStore
) -> None:
    store.apply(frame_of([search("s"), view("v")]))
    mark(engine, NOW_MS)
    assert sum(BrowseEventsTrim(engine, store.last_sequence).steps(NOW_MS)) == 1
    assert ids(store) == ["v"]


def letter(offset: int) -> DeadLetter:
    return DeadLetter("log", "ratings", 0, offset, None, b"bad", "not JSON", NOW_MS)


def test_dead_letters_go_when_they_are_on_their_topic(
    engine: Engine, store: SqlEventStore
) -> None:
    store.apply(frame_of([]), None, [letter(n) for n in range(5)])
    mark(engine, NOW_MS)
    store.apply(frame_of([]), None, [letter(5)])

    def trim(published: int) -> int:
        return sum(DeadLettersTrim(engine, lambda _log: {PLACE: published}).steps(NOW_MS))

    assert trim(0) == 0
    assert trim(3) == 3
    assert trim(9) == 2
    assert [d.offset for d in store.dead_letters()] == [5]


def test_of_old_marks_the_newest_stays(engine: Engine, store: SqlEventStore) -> None:
    marks = StoreMarks(engine)
    for day in range(5):
        store.apply(frame_of([rating(f"{day}")]))
        marks.note(NOW_MS + day * DAY, NOW_MS + (day - 2) * DAY)
    assert count(engine, "store_marks") == 4
    assert marks.before(NOW_MS + 2 * DAY).at_ms == NOW_MS + 2 * DAY
    assert marks.before(NOW_MS - 1) == (0, 0, 0)
    assert marks.before(NOW_MS + 4 * DAY).events == store.last_sequence()
