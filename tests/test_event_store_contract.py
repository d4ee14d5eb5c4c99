"""What every event store promises, on each kind of database and in the fake of the tests."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy import event as sql_event
from sqlalchemy.pool import QueuePool

from adapters.event_store import SqlEventStore
from recommender.errors import StoreUnavailable
from recommender.ports import EventStore
from recommender.schemas import Columns
from recommender.types import (
    BROWSED_MAX,
    Applied,
    DeadLetter,
    Event,
    EventType,
    History,
    HistoryEntry,
    TopicPartition,
)
from tests.databases_of_tests import (
    KINDS,
    full_disk,
    locked,
    new_database,
    take_back_databases,
)
from tests.fakes import InMemoryEventStore
from tests.sample_events import NOW_MS, frame_of, rating, search, undo, view, watch

STORES = (*KINDS, "memory")
PLACE = TopicPartition("ratings", 0)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> EventStore:
    return make_store(request.param, tmp_path)


def make_store(kind: str, folder: Path) -> EventStore:
    if kind == "memory":
        return InMemoryEventStore()
    return SqlEventStore(new_database(folder, "store", kind))


def state(store: EventStore, user: str = "u1") -> list[tuple[str, str, float | None, str]]:
    history = store.history(user)
    return [(e.item_id, e.type.value, e.rating, e.event_id) for e in history.entries]


def letter(offset: int, cluster_id: str = "c", reason: str = "bad") -> DeadLetter:
    return DeadLetter(cluster_id, "ratings", 0, offset, "k", b"\xff\x00bad", reason)


def test_an_empty_store_knows_nothing(store: EventStore) -> None:
    assert store.history("u1").version == 0
    assert store.history("u1").entries == ()
    assert store.last_sequence() == 0
    assert store.offsets() == {}
    assert list(store.event_chunks(0, 10)) == []
    assert set(store.counts().values()) == {0}


def test_applied_events_make_the_history_in_the_order_of_time(store: EventStore) -> None:
    events = [
        rating("a", item="m1", rating=4.5, timestamp_ms=NOW_MS + 2),
        watch("b", item="m1", timestamp_ms=NOW_MS + 1),
        rating("c", item="m2", rating=1.0, timestamp_ms=NOW_MS),
        search("d", query="zweite", timestamp_ms=NOW_MS + 9),
        search("e", query="erste", timestamp_ms=NOW_MS),
        rating("f", user="u2"),
    ]
    assert store.apply(frame_of(events)) == Applied(6, 0)
    assert state(store) == [
        ("m2", "rate", 1.0, "c"), ("m1", "watch", None, "b"), ("m1", "rate", 4.5, "a"),
    ]  # fmt: skip
    assert store.history("u1").searches == ("erste", "zweite")
    assert store.history("u1").user_id == "u1"
    assert [e.timestamp_ms for e in store.history("u1").entries] == [NOW_MS, NOW_MS + 1, NOW_MS + 2]


def test_a_history_holds_all_that_was_taken_and_the_newest_of_what_was_only_looked_at(
    store: EventStore,
) -> None:
    more = BROWSED_MAX + 3
    newest_first = range(more)
    store.apply(frame_of([
        watch("w", item="m0", timestamp_ms=NOW_MS - 2 * more),
        rating("r", item="m1", timestamp_ms=NOW_MS - 2 * more),
        *(view(f"v{i:05}", item=f"m{i}", timestamp_ms=NOW_MS - i) for i in newest_first),
        *(search(f"s{i:05}", query=f"q{i}", timestamp_ms=NOW_MS - i) for i in newest_first),
    ]))  # fmt: skip
    history = store.history("u1")
    taken = {e.item_id for e in history.entries if e.type is not EventType.VIEW}
    viewed = [e.item_id for e in history.entries if e.type is EventType.VIEW]
    assert taken == {"m0", "m1"}
    assert viewed == [f"m{i}" for i in reversed(range(BROWSED_MAX))]
    assert history.searches == tuple(f"q{i}" for i in reversed(range(BROWSED_MAX)))
    assert history.version == store.last_sequence() == store.history_version("u1")


def test_an_event_is_applied_once(store: EventStore) -> None:
    frame = frame_of([rating("a"), rating("a"), rating("b")])
    assert store.apply(frame) == Applied(2, 1)
    before = store.history("u1")
    assert store.apply(frame) == Applied(0, 3)
    assert store.history("u1") == before
    assert store.counts()["events"] == 2


def test_only_a_later_event_replaces_a_rating(store: EventStore) -> None:
    store.apply(frame_of([rating("b", rating=3.0)]))
    store.apply(frame_of([rating("c", rating=1.0, timestamp_ms=NOW_MS - 1)]))
    store.apply(frame_of([rating("a", rating=2.0)]))
    assert state(store) == [("m1", "rate", 3.0, "b")]
    version = store.history("u1").version
    store.apply(frame_of([rating("c2", rating=5.0)]))
    assert state(store) == [("m1", "rate", 5.0, "c2")]
    assert store.history("u1").version > version


def test_of_several_events_on_a_film_in_one_batch_the_latest_stays(store: EventStore) -> None:
    store.apply(frame_of([
        rating("a", rating=1.0, timestamp_ms=NOW_MS + 1), rating("b", rating=2.0),
        rating("c", rating=3.0, timestamp_ms=NOW_MS + 1), rating("d", rating=4.0),
    ]))  # fmt: skip
    assert state(store) == [("m1", "rate", 3.0, "c")]


def test_the_version_is_that_of_the_user_alone(store: EventStore) -> None:
    store.apply(frame_of([rating("a")]))
    version = store.history("u1").version
    assert version > 0
    store.apply(frame_of([rating("b", user="u2")]))
    assert store.history("u1").version == version
    store.apply(frame_of([search("c")]))
    assert store.history("u1").version > version


def test_offsets_are_kept_for_each_group(store: EventStore) -> None:
    other = TopicPartition("watch-events", 3)
    store.apply(frame_of([]), {PLACE: 5, other: 1})
    store.apply(frame_of([rating("a")]), {PLACE: 7})
    store.apply(frame_of([]), {PLACE: 2}, group="another")
    assert store.offsets() == {PLACE: 7, other: 1}
    assert store.offsets("another") == {PLACE: 2}


def test_a_dead_letter_is_kept_once_newest_first(store: EventStore) -> None:
    letters = [letter(i) for i in range(3)]
    store.apply(frame_of([]), dead_letters=letters[:2])
    store.apply(frame_of([]), dead_letters=[letters[1], letters[2]])
    assert store.dead_letters() == letters[::-1]
    assert store.dead_letters(limit=1) == [letters[2]]
    assert store.counts()["dead_letters"] == 3


def test_letters_of_another_log_have_places_of_their_own(store: EventStore) -> None:
    store.apply(frame_of([]), dead_letters=[letter(0, "lost")])
    store.apply(frame_of([]), dead_letters=[letter(0, "new")])
    assert store.dead_letters() == [letter(0, "new"), letter(0, "lost")]


def test_letters_are_stored_in_the_order_of_their_places(store: EventStore) -> None:
    done = store.apply(frame_of([]), dead_letters=[letter(5), letter(2), letter(9)])
    assert [d.offset for d in done.letters] == [2, 5, 9]
    assert [d.offset for d in store.dead_letters()] == [9, 5, 2]


def test_another_event_of_a_known_id_becomes_a_dead_letter_and_changes_nothing(
    store: EventStore,
) -> None:
    def set_aside(row: int, reason: str) -> DeadLetter:
        return letter(100 + row, reason=reason)

    store.apply(frame_of([rating("a"), search("s")]))
    before = store.state_hash()
    frame = frame_of([
        rating("a"), rating("a", user="u2"), rating("b"), rating("b", rating=1.0),
        watch("a"), search("s"), search("s", query="other"), rating("a", timestamp_ms=NOW_MS - 9),
        rating("a", timestamp_ms=NOW_MS + 77, received_at_ms=NOW_MS + 77),
    ])  # fmt: skip
    done = store.apply(frame, {PLACE: 9}, [letter(0)], set_aside=set_aside)
    assert (done.applied, done.duplicates, done.conflicts) == (1, 3, 5)
    assert [d.offset for d in done.letters] == [0, 101, 103, 104, 106, 107]
    assert done.letters[1].reason == "event_id: known with other content"
    assert store.dead_letters() == list(done.letters[::-1])
    assert store.offsets() == {PLACE: 9}
    store.apply(frame_of([rating("b", timestamp_ms=NOW_MS - 1)]))
    assert store.state_hash() != before
    assert store.history("u2").entries == ()


def test_conflicts_are_counted_when_nobody_sets_them_aside(store: EventStore) -> None:
    store.apply(frame_of([rating("a")]))
    assert store.apply(frame_of([rating("a", user="u2")])) == Applied(0, 0, 1)
    assert store.dead_letters() == []


def test_chunks_hold_every_event_in_the_order_of_application(store: EventStore) -> None:
    events = [
        rating("a", rating=4.5), watch("b", minute=30), search("c", query="wörter"), watch("d"),
        rating("e", user="u2", source="import"),
    ]  # fmt: skip
    store.apply(frame_of(events[:2]))
    store.apply(frame_of(events[2:]))
    chunks = list(store.event_chunks(0, 2))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    whole = pd.concat(chunks, ignore_index=True)
    assert list(whole.columns) == [Columns.SEQUENCE, *Columns.EVENT]
    assert whole[Columns.SEQUENCE].is_monotonic_increasing
    assert whole[Columns.SEQUENCE].iloc[-1] == store.last_sequence()
    assert whole[Columns.EVENT_ID].tolist() == ["a", "b", "c", "d", "e"]
    assert whole[Columns.RATING].tolist()[::4] == [4.5, 4.0]
    assert whole[Columns.MINUTE].iloc[1] == 30
    assert whole[Columns.QUERY].iloc[2] == "wörter"
    assert whole[Columns.ITEM].isna().tolist() == [False, False, True, False, False]
    after = int(whole[Columns.SEQUENCE].iloc[2])
    rest = list(store.event_chunks(after, 10))
    assert [e for chunk in rest for e in chunk[Columns.EVENT_ID]] == ["d", "e"]


def test_counts_are_of_events_users_movies_and_dead_letters(store: EventStore) -> None:
    store.apply(frame_of([rating("a"), watch("b", item="m2"), search("c", user="u3")]))
    counts = store.counts()
    assert (counts["events"], counts["dead_letters"]) == (3, 0)
    assert counts["users"] == 2


def test_the_version_of_a_history_is_told_without_reading_it(store: EventStore) -> None:
    assert store.history_version("u1") == 0
    versions = []
    for event in (rating("a"), search("b"), watch("c"), rating("d", user="u2")):
        store.apply(frame_of([event]))
        versions.append(store.history_version("u1"))
        assert versions[-1] == store.history("u1").version
    assert versions == sorted(versions) and len(set(versions)) == 3


def test_the_users_of_a_span_of_events_are_told_unless_they_are_many(store: EventStore) -> None:
    first = store.apply(frame_of([rating("a"), rating("b", "u2"), watch("c", "u2")]))
    second = store.apply(frame_of([rating("a"), search("d", "u3")]))
    assert (first.after, first.until, second.until) == (0, second.after, store.last_sequence())
    assert store.users_between(first.after, first.until, 3) == {"u1", "u2"}
    assert store.users_between(first.after, first.until, 2) is None
    assert store.users_between(second.after, second.until, 1) == {"u3"}
    assert store.users_between(second.until, second.until + 9, 1) == set()


def test_frames_of_any_column_types_are_taken(store: EventStore) -> None:
    frame = frame_of([rating("a"), watch("b"), search("c")])
    plain = frame.astype(object).where(frame.notna(), None)
    store.apply(plain)
    assert len(store.history("u1").entries) == 2


interaction = st.builds(
    lambda n, user, item, kind, at, value: (
        rating(n, user, item, rating=value, timestamp_ms=NOW_MS + at)
        if kind == "rate"
        else watch(n, user, item, timestamp_ms=NOW_MS + at)
        if kind == "watch"
        else undo(n, user, item, timestamp_ms=NOW_MS + at)
        if kind == "undo"
        else search(n, user, timestamp_ms=NOW_MS + at)
    ),
    # Languages order these otherwise than code points do, and the later event has the greater id.
    st.text("aAbB_-:19", min_size=1, max_size=4), st.sampled_from(["u1", "u2"]),
    st.sampled_from(["m1", "m2"]), st.sampled_from(["rate", "watch", "undo", "search"]),
    st.integers(0, 2), st.sampled_from([1.0, 5.0]),
)  # fmt: skip


@pytest.mark.parametrize("kind", STORES)
@hypothesis_settings(max_examples=20)
@given(
    events=st.lists(interaction, max_size=14, unique_by=lambda e: e.event_id),
    random=st.randoms(use_true_random=False),
)
def test_the_state_does_not_depend_on_order_batches_or_repetition(
    kind: str, events: list[Event], random: Random
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other, again = (make_store(kind, Path(folder) / name) for name in "abc")
        one.apply(frame_of(events))
        shuffled = [*events, *events[:3]]
        random.shuffle(shuffled)
        for event in shuffled:
            version = other.history(event.user_id).version
            before = _seen(other, event.user_id)
            other.apply(frame_of([event]))
            changed = _seen(other, event.user_id) != before
            assert (other.history(event.user_id).version > version) is changed
        assert one.state_hash() == other.state_hash()
        for chunk in other.event_chunks(0, 3):
            again.apply(chunk.drop(columns=Columns.SEQUENCE))
        assert again.state_hash() == other.state_hash()
        if kind == "postgresql":
            same = make_store("sqlite", Path(folder))
            same.apply(frame_of(shuffled))
            assert one.state_hash() == same.state_hash()
        for user in ("u1", "u2"):
            assert one.history(user).entries == other.history(user).entries
            assert one.history(user).entries == _recomputed(events, user)
            assert one.history_version(user) == one.history(user).version
        take_back_databases()


def _seen(store: EventStore, user: str) -> tuple[object, ...]:
    history = store.history(user)
    return history.entries, history.searches


def _recomputed(events: list[Event], user: str) -> tuple[object, ...]:
    latest: dict[tuple[str, EventType], Event] = {}
    for e in sorted(events, key=lambda e: (e.timestamp_ms, e.event_id)):
        if e.user_id == user and e.type is EventType.UNDO:
            latest = {key: kept for key, kept in latest.items() if key[0] != e.item_id}
        elif e.user_id == user and e.item_id is not None:
            latest[e.item_id, e.type] = e
    entries = [
        HistoryEntry(e.item_id or "", e.type, e.rating, e.timestamp_ms, e.event_id)
        for e in latest.values()
    ]
    return tuple(sorted(entries, key=lambda entry: (entry.timestamp_ms, entry.event_id)))


# --- what was taken back


def test_an_undo_takes_back_rating_watch_and_view_of_that_film_of_that_user(
    store: EventStore,
) -> None:
    store.apply(frame_of([
        rating("a"), watch("b"), view("c"), rating("d", item="m2"), rating("e", user="u2"),
        search("f"),
    ]))  # fmt: skip
    version = store.history("u1").version
    assert store.apply(frame_of([undo("u", timestamp_ms=NOW_MS + 1)])) == Applied(1, 0)
    assert state(store) == [("m2", "rate", 4.0, "d")]
    assert state(store, "u2") == [("m1", "rate", 4.0, "e")]
    assert store.history("u1").searches == ("star wars",)
    assert store.history("u1").version > version


def test_what_comes_after_an_undo_brings_the_film_back(store: EventStore) -> None:
    store.apply(frame_of([rating("a"), watch("b"), undo("u", timestamp_ms=NOW_MS + 1)]))
    assert state(store) == []
    store.apply(frame_of([watch("c", timestamp_ms=NOW_MS + 2)]))
    assert state(store) == [("m1", "watch", None, "c")]
    store.apply(frame_of([rating("d", rating=2.0, timestamp_ms=NOW_MS + 3)]))
    assert state(store) == [("m1", "watch", None, "c"), ("m1", "rate", 2.0, "d")]


def test_what_was_undone_stays_undone_when_it_arrives_late(store: EventStore) -> None:
    store.apply(frame_of([undo("u")]))
    before = store.state_hash()
    late = [rating("late", timestamp_ms=NOW_MS - 1), view("before")]
    for event in late:
        assert store.apply(frame_of([event])) == Applied(1, 0)
    assert state(store) == []
    assert store.history("u1").version == 0
    assert store.state_hash() == before
    store.apply(frame_of([watch("v")]))
    assert state(store) == [("m1", "watch", None, "v")]


def test_an_older_undo_does_not_move_a_newer_one(store: EventStore) -> None:
    store.apply(frame_of([undo("new", timestamp_ms=NOW_MS + 9)]))
    before = store.state_hash()
    store.apply(frame_of([undo("old")]))
    store.apply(frame_of([rating("between", timestamp_ms=NOW_MS + 5)]))
    assert state(store) == []
    assert store.state_hash() == before


def test_an_undo_of_a_film_never_touched_is_applied_and_changes_nothing_to_be_seen(
    store: EventStore,
) -> None:
    store.apply(frame_of([rating("a")]))
    seen, counts = store.history("u1"), store.counts()
    assert store.apply(frame_of([undo("u", item="m9"), undo("v", user="u9")])) == Applied(2, 0)
    assert store.history("u1") == seen
    assert store.history("u9") == History("u9", 0)
    assert store.counts() == counts | {"events": 3}


def test_who_took_everything_back_is_no_user_any_more(store: EventStore) -> None:
    store.apply(frame_of([rating("a"), rating("b", user="u2"), undo("u", user="u2")]))
    assert store.counts()["users"] == 1
    assert store.history("u2").entries == ()


def test_an_undo_is_one_event_however_often_it_comes(store: EventStore) -> None:
    taken_back = undo("u", timestamp_ms=NOW_MS + 1)
    store.apply(frame_of([rating("a"), taken_back]))
    store.apply(frame_of([rating("b", timestamp_ms=NOW_MS + 2)]))
    version = store.history("u1").version
    assert store.apply(frame_of([taken_back])) == Applied(0, 1)
    assert store.apply(frame_of([undo("u", item="m2", timestamp_ms=NOW_MS + 1)])).conflicts == 1
    assert state(store) == [("m1", "rate", 4.0, "b")]
    assert store.history("u1").version == version


def test_different_states_have_different_hashes(store: EventStore) -> None:
    hashes = [store.state_hash()]
    for event in (rating("a"), rating("b", item="m2"), watch("d"), undo("u", item="m9")):
        store.apply(frame_of([event]))
        hashes.append(store.state_hash())
    assert len(set(hashes)) == 5
    store.apply(frame_of([rating("older", timestamp_ms=NOW_MS - 1)]))
    assert store.state_hash() == hashes[-1]


# --- what only a database can show


def test_searches_are_part_of_the_state(tmp_path: Path, kind: str) -> None:
    store = SqlEventStore(new_database(tmp_path, "store", kind))
    empty = store.state_hash()
    store.apply(frame_of([search("a")]))
    assert store.state_hash() != empty


def test_an_undo_finds_what_it_takes_back_by_keys(tmp_path: Path) -> None:
    engine = new_database(tmp_path, "store")
    store = SqlEventStore(engine)
    store.apply(frame_of([rating("a")]))
    plans: list[str] = []
    looked_at: list[str] = []

    def note(connection: Connection, _k: object, statement: str, values: Any, *_: object) -> None:
        if not statement.startswith("EXPLAIN") and " interactions" in statement:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.extend(str(row[3]) for row in plan)
            looked_at.append(statement)

    sql_event.listen(engine, "before_cursor_execute", note)
    store.apply(frame_of([undo("u")]))
    assert len(looked_at) == 3 and any("SEARCH entry" in step for step in plans), plans
    for table in ("entry", "tombstones", "interactions"):
        assert not [step for step in plans if step.startswith(f"SCAN {table}")], plans


def test_connections_keep_few_pages_and_few_of_them_stay_open(tmp_path: Path) -> None:
    engine = new_database(tmp_path, "store")
    open_now = [engine.connect() for _ in range(32)]
    for connection in open_now:
        kept = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
        assert -8 * 1024 <= kept < 0
        connection.close()
    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.checkedin() <= 8
    with engine.connect() as one:
        first = one.connection.driver_connection
    with engine.connect() as two:
        assert two.connection.driver_connection is first


def test_a_failed_apply_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    engine = new_database(tmp_path, "store", kind)
    store = SqlEventStore(engine)
    store.apply(frame_of([rating("before")]), {PLACE: 1})
    frame = frame_of([rating(f"e{i}", item=f"m{i}", user="x" * 100) for i in range(300)])
    letters = [letter(9)]
    with full_disk(engine), pytest.raises(StoreUnavailable):
        store.apply(frame, {PLACE: 2}, letters)
    assert store.offsets() == {PLACE: 1}
    assert store.counts() == {"events": 1, "users": 1, "movies": 1, "dead_letters": 0}
    assert store.apply(frame, {PLACE: 2}, letters) == Applied(300, 0, letters=(letter(9),))
    assert store.offsets() == {PLACE: 2}


def test_repeats_of_many_ids_are_told_from_conflicts_in_few_statements(
    tmp_path: Path, kind: str
) -> None:
    engine = new_database(tmp_path, "store", kind)
    store = SqlEventStore(engine)
    first = [rating(f"e{i}", item=f"m{i}") for i in range(1500)]
    second = [*first[:1400], *(rating(f"e{i}", user="u2") for i in range(1400, 1500))]
    store.apply(frame_of(first))
    statements: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sql_event.listen(engine, "before_cursor_execute", note)
    assert store.apply(frame_of([*second, rating("new")])) == Applied(1, 1400, 100)
    assert len(statements) <= 20


def test_a_dead_letter_with_any_text_is_kept(tmp_path: Path, kind: str) -> None:
    store = SqlEventStore(new_database(tmp_path, "store", kind))
    odd = DeadLetter("c", "ratings", 0, 7, "k\0\ud800", bytes(range(256)), "it holds \0 or \ud800")
    store.apply(frame_of([]), dead_letters=[odd])
    found = store.dead_letters()
    assert [(f.key, f.value, f.reason) for f in found] == [
        ("k\N{SYMBOL FOR NULL}?", odd.value, "it holds \N{SYMBOL FOR NULL} or ?")
    ]


def test_a_locked_store_refuses_to_apply_and_still_answers(tmp_path: Path, kind: str) -> None:
    engine = new_database(tmp_path, "store", kind)
    store = SqlEventStore(engine)
    store.apply(frame_of([rating("a")]))
    with locked(engine):
        with pytest.raises(StoreUnavailable):
            store.apply(frame_of([rating("b")]))
        assert state(store) == [("m1", "rate", 4.0, "a")]
    assert store.apply(frame_of([rating("b")])) == Applied(1, 0)


def test_two_appliers_of_the_same_events_apply_each_once(tmp_path: Path, kind: str) -> None:
    stores = [SqlEventStore(new_database(tmp_path, "store", kind)) for _ in range(2)]
    frames = [frame_of([rating(f"{b}-{i}", item=f"m{i}") for i in range(20)]) for b in range(10)]
    done: list[Applied] = []

    def apply_all(store: SqlEventStore) -> None:
        done.extend(store.apply(frame) for frame in frames)

    threads = [threading.Thread(target=apply_all, args=(s,)) for s in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(a.applied for a in done) == sum(a.duplicates for a in done) == 200
    assert stores[0].counts()["events"] == 200


def test_a_history_and_its_version_belong_together_while_events_arrive(
    tmp_path: Path, kind: str
) -> None:
    store = SqlEventStore(new_database(tmp_path, "store", kind))
    stop = threading.Event()
    seen: dict[int, tuple[object, ...]] = {}

    def look() -> None:
        while not stop.is_set():
            history = store.history("u1")
            found = (history.entries, history.searches)
            assert seen.setdefault(history.version, found) == found

    reader = threading.Thread(target=look)
    reader.start()
    for i in range(60):
        store.apply(frame_of([rating(f"r{i}", item=f"m{i}"), search(f"s{i}")]))
    stop.set()
    reader.join()
    assert len(store.history("u1").searches) == 60
    assert seen


def test_the_hash_covers_more_rows_than_one_page(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlEventStore(new_database(tmp_path, "store", kind))
    store.apply(frame_of([rating(f"e{i}", f"u{i % 7}", f"m{i}") for i in range(50)]))
    whole = store.state_hash()
    monkeypatch.setattr("adapters.event_store._HASHED_ROWS", 8)
    assert store.state_hash() == whole
