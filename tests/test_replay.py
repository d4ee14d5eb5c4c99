"""A store made anew from snapshots and the bus, in any order, has the state of the one before."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from adapters.catalogue import SqlCatalogue
from adapters.embedded_log import EmbeddedLog
from adapters.event_store import SqlEventStore
from adapters.outbox_trim import OutboxTrim
from adapters.snapshots import Snapshots
from adapters.store_erasure import StoreErasure
from adapters.topic_records import EmbeddedRecords
from commands.replay_sources import Target, replay_bus, replay_snapshot
from fairreel import main
from recommender.erasure import ErasedPeople, user_digest
from recommender.errors import BusUnavailable, NotFound
from recommender.topics import EVENT_TOPICS, RATINGS
from recommender.types import Event, Message, Movie, Person
from tests.databases_of_tests import new_database
from tests.sample_events import NOW_MS, frame_of, rating, search, undo, view, watch
from tests.store_of_tests import new_store
from tests.worker_fakes import KeptTelemetry
from workers.ingest import IngestWorker


def events(random: Random, count: int, prefix: str) -> list[Event]:
    made = []
    for n in range(count):
        kind = random.choice([rating, rating, watch, view, undo])
        user, item = f"u{random.randrange(4)}", f"m{random.randrange(5)}"
        changes = {"timestamp_ms": NOW_MS + random.randrange(40)}
        if kind is rating:
            changes["rating"] = random.randrange(1, 11) / 2  # type: ignore[assignment]
        made.append(kind(f"{prefix}-{n}", user, item, **changes))
    made.append(search(f"{prefix}-s", "u1", timestamp_ms=NOW_MS + random.randrange(40)))
    return made


def ingest(store: SqlEventStore, log: EmbeddedLog) -> None:
    """Apply what the log holds, as the running program does."""
    worker = IngestWorker(log, store, KeptTelemetry(), lambda: NOW_MS + 60_000, linger_s=0)  # type: ignore[arg-type]
    consumer = log.consumer("counting", EVENT_TOPICS)
    total = sum(log.end_offsets(EVENT_TOPICS).values())
    consumer.close()
    worker.start()
    try:
        for _ in range(2_000):
            stored = store.offsets(f"ingest/{log.cluster_id}")
            if sum(stored.values()) >= total:
                return
            worker._stopping.wait(0.005)
        raise AssertionError("not applied in time")
    finally:
        worker.stop()


class Original:
    """A store that was filled by its log and by an import, with a snapshot half-way."""

    def __init__(self, folder: Path, kind: str, seed: int, trim_log: bool) -> None:
        random = Random(seed)
        self.folder, self.kind = folder, kind
        self.log_engine = new_database(folder, "log", kind)
        self.engine = new_store(folder, kind)
        self.store, self.catalogue = SqlEventStore(self.engine), SqlCatalogue(self.engine)
        self.snapshots = Snapshots(str(folder / "snapshots"))
        self.catalogue.add_movies([Movie("m1", "Brazil", 1985, ("Comedy",))])
        self.catalogue.add_people([Person("u1", "F", 44)])
        log = EmbeddedLog(self.log_engine, 2, clock_ms=lambda: NOW_MS)
        self.store.apply(frame_of(events(random, 12, "import")))
        log.accept(events(random, 15, "early"))
        log.publish([Message(RATINGS, "u1", b"not JSON")])
        ingest(self.store, log)
        self.first = self._take()
        if trim_log:
            stored = self.store.offsets(f"ingest/{log.cluster_id}")
            list(OutboxTrim(self.log_engine, EVENT_TOPICS, lambda _log: stored).steps(NOW_MS + 1))
        log.accept(events(random, 15, "late"))
        ingest(self.store, log)
        log.close()
        self.state = self.store.state_hash()

    def _take(self) -> str:
        return self.snapshots.take(self.store, self.catalogue, NOW_MS).snapshot_id

    def target(self, engine: Engine) -> Target:
        return Target(SqlEventStore(engine), SqlCatalogue(engine),
                      lambda people: StoreErasure(engine).adopt(people, NOW_MS))

    def replay(self, engine: Engine, source: str) -> None:
        if source == "bus":
            replay_bus(EmbeddedRecords(self.log_engine), self.target(engine), NOW_MS + 60_000)
        else:
            replay_snapshot(self.snapshots, source, self.target(engine))


@pytest.mark.parametrize("trim_log", [False, True])
def test_in_every_order_and_twice_the_state_is_the_same(
    tmp_path: Path, kind: str, trim_log: bool
) -> None:
    original = Original(tmp_path, kind, 7, trim_log)
    assert len(original.store.dead_letters()) == 1
    for number, order in enumerate(permutations((original.first, "bus"))):
        engine = new_store(tmp_path / str(number), kind)
        for source in (*order, *order):
            original.replay(engine, source)
        made = SqlEventStore(engine)
        assert made.state_hash() == original.state
        assert made.counts()["events"] == original.store.counts()["events"]
        assert made.offsets(f"ingest/{EmbeddedRecords(original.log_engine).cluster_id()}") == (
            original.store.offsets(f"ingest/{EmbeddedRecords(original.log_engine).cluster_id()}"))
        engine.dispose()


def test_snapshots_alone_are_enough(tmp_path: Path, kind: str) -> None:
    original = Original(tmp_path, kind, 3, trim_log=True)
    engine = new_store(tmp_path / "new", kind)
    newest = original._take()
    original.replay(engine, newest)
    made = original.target(engine)
    assert SqlEventStore(engine).state_hash() == original.state
    assert made.catalogue.movies() == original.catalogue.movies()
    assert made.catalogue.people() == original.catalogue.people()
    # An older one as well, after the newest: each event is applied once.
    original.replay(engine, original.first)
    assert SqlEventStore(engine).state_hash() == original.state


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), order=st.permutations(["first", "newest", "bus", "bus"]))
def test_any_order_of_the_sources_gives_the_same_hash(
    tmp_path_factory: pytest.TempPathFactory, seed: int, order: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("replay")
    original = Original(folder, "sqlite", seed, trim_log=seed % 2 == 0)
    names = {"first": original.first, "newest": original._take(), "bus": "bus"}
    engine = new_store(folder / "new")
    for source in order:
        original.replay(engine, names[source])
    assert SqlEventStore(engine).state_hash() == original.state
    engine.dispose()


def test_people_who_were_taken_out_stay_out_of_a_store_made_anew(
    tmp_path: Path, kind: str
) -> None:
    original = Original(tmp_path, kind, 5, trim_log=False)
    salt = "ab" * 32
    gone = ErasedPeople(salt=salt, until_ms={user_digest(bytes.fromhex(salt), "u1"): 2 * NOW_MS})
    original.snapshots.files.put_erased(gone)
    engine = new_store(tmp_path / "new", kind)
    original.replay(engine, original.first)
    original.replay(engine, "bus")
    assert SqlEventStore(engine).history("u1").version == 0
    assert SqlEventStore(engine).history("u2").version > 0
    assert [person.user_id for person in SqlCatalogue(engine).people()] == []
    assert StoreErasure(engine).known() == gone
    with pytest.raises(ValueError, match="another salt"):
        StoreErasure(engine).adopt(ErasedPeople(salt="cd" * 32, until_ms={}), NOW_MS)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    engine = new_store(tmp_path)
    target = Target(SqlEventStore(engine), SqlCatalogue(engine), lambda _people: None)
    with pytest.raises(NotFound):
        replay_snapshot(Snapshots(str(tmp_path / "none")), None, target)
    with pytest.raises(BusUnavailable, match="no embedded log"):
        replay_bus(EmbeddedRecords(new_database(tmp_path, "log")), target, NOW_MS)


def test_the_command_makes_a_store_and_compares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    original = Original(tmp_path / "data", "sqlite", 9, trim_log=True)
    into = f"sqlite:///{tmp_path}/new.db"
    capsys.readouterr()
    assert main(["replay", "--into", into, "--compare", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["equal"] and report["state_hash"] == original.state
    assert all(each["events"] > 0 for each in report["sources"])
    less = f"sqlite:///{tmp_path}/less.db"
    assert main(["replay", "snapshots", "--into", less, "--compare"]) == 1
    assert "NOT equal" in capsys.readouterr().out
