"""A person who was taken out is nowhere any more, and does not come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, MetaData, select

from adapters.database import METADATA
from adapters.embedded_log import EmbeddedLog
from adapters.response_log import SqlResponseLog
from adapters.store_erasure import StoreErasure
from clock import now_ms
from composition import StoreSide, open_store
from erasure_composition import open_eraser
from recommender.answer_text import AnswerText
from recommender.erasure import (
    ErasureReport,
    Holding,
    comes_back,
    reference_of,
    speaks_of,
    user_digest,
    without_id,
)
from recommender.errors import BusUnavailable
from recommender.record_batch import dead_letter_message
from recommender.types import (
    AnsweredRecord,
    AuditEntry,
    DeadLetter,
    Event,
    Message,
    Movie,
    Person,
    Role,
)
from settings import Settings
from tests.databases_of_tests import database_url, new_database
from tests.sample_events import frame_of, rating, search, undo, view
from workers.erasure import Eraser

ANNA, BERT = "anna-4711", "bert"


def letter(offset: int, value: bytes, key: str | None = None) -> DeadLetter:
    return DeadLetter("log", "ratings", 0, offset, key, value, "bad", now_ms() - 5_000)


LETTERS = [
    letter(0, b'{"user_id": "anna-4711", "movie_id": 1, "rating": 9}'),
    letter(1, b'{"user_id": "anna-4711", broken'), letter(2, b"\xff", ANNA),
    letter(3, b'{"user_id": "anna-47110", "rating": 9}'), letter(4, b"not JSON", BERT),
]  # fmt: skip


class World:
    """Everything that stores people, over real databases, with two of them in all places."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.log_engine = new_database(folder, "log", kind)
        self.responses_engine = new_database(folder, "responses", kind)
        self.settings = Settings(
            _env_file=None, data_folder=folder, registry_folder=folder / "models",
            outputs_folder=folder / "outputs",
            **{f"{name}_url": database_url(folder, name, kind)
               for name in ("store", "log", "responses")})
        self.side: StoreSide = open_store(self.settings)
        self.log = EmbeddedLog(self.log_engine, 2)
        self.responses = SqlResponseLog(self.responses_engine, flush_s=0.001)
        self.at_ms = now_ms() - 10_000

    def close(self) -> None:
        self.log.close()
        self.responses.close()
        self.side.close()

    def events(self, user: str, count: int = 3) -> list[Event]:
        at = {"timestamp_ms": self.at_ms, "received_at_ms": self.at_ms}
        return [
            *(rating(f"{user[0]}-{n}", user, f"m{n}", **at) for n in range(count)),
            undo(f"{user[0]}-undo", user, "m0", **at), view(f"{user[0]}-view", user, "m9", **at),
            search(f"{user[0]}-search", user, timestamp_ms=self.at_ms),
        ]

    def fill(self, users: Sequence[str] = (BERT, ANNA)) -> None:
        for user in users:
            self.log.accept(self.events(user))
            self.side.store.apply(frame_of(self.events(user)))
            self.side.api_keys.create(Role.CLIENT, f"phone of {user}", self.at_ms, user)
            text = AnswerText(b'{"user_id":"' + user.encode() + b'","id":"', b'","at":"')
            self.responses.record(AnsweredRecord(
                f"request-of-{user[0]}", self.at_ms, user, "A", "v", 7, True, 200, 850, text))
        self.side.store.apply(frame_of([]), dead_letters=LETTERS)
        self.log.publish([dead_letter_message(each) for each in LETTERS])
        self.log.publish([Message("recommendations", ANNA, b"{}")])
        self.side.catalogue.add_movies([Movie("m1", "Brazil", 1985)])
        self.side.catalogue.add_people([Person(ANNA, "F", 44), Person(BERT)])
        self.side.audit.append(AuditEntry(
            self.at_ms, "key:1", "GET /users", f"/users/{ANNA}/history", "403",
            f"{ANNA}0 is another"))
        self.responses.flush()
        self.snapshot()

    def snapshot(self) -> str:
        from composition import open_snapshots

        snapshots = open_snapshots(self.settings)
        return snapshots.take(self.side.store, self.side.catalogue, now_ms()).snapshot_id

    def eraser(self) -> Eraser:
        return open_eraser(self.settings, self.side, self.log_engine, self.responses_engine,
                           lambda _user: self.responses.forget_texts())

    def erase(self, user: str = ANNA) -> ErasureReport:
        return self.eraser().erase(user, "test")

    def stored(self, user: str) -> list[str]:
        """Where the id stands, in whatever column of whatever table or file."""
        found = []
        engines = {"log": self.log_engine, "store": self.side.engine,
                   "responses": self.responses_engine}
        for name, engine in engines.items():
            found += _rows_with(engine, METADATA[name], user)  # type: ignore[index]
        for path in (self.settings.data_folder / "snapshots").rglob("*"):
            packed = path.suffix == ".parquet"
            text = str(pq.read_table(path).to_pydict()) if packed else (
                path.read_text() if path.is_file() else "")
            found += [path.name] if user in text else []
        return found


def _rows_with(engine: Engine, metadata: MetaData, user: str) -> list[str]:
    found = []
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                said = b" ".join(
                    v if isinstance(v, bytes) else str(v).encode() for v in row if v is not None)
                if user.encode() in said.replace(f"{user}0".encode(), b""):
                    found.append(f"{table.name}: {row}")
    return found


@pytest.fixture
def world(tmp_path: Path, kind: str) -> Iterator[World]:
    made = World(tmp_path, kind)
    yield made
    made.close()


def test_the_person_is_nowhere_and_everybody_else_is_untouched(world: World) -> None:
    world.fill([BERT])
    world.side.store.apply(frame_of([rating("of-bert-too", BERT, "m7")]))
    alone = world.side.store.state_hash()
    world.fill()
    assert len(world.stored(ANNA)) > 10
    bert = world.side.store.history(BERT)
    report = world.erase()
    assert report.complete, report.failures
    assert world.stored(ANNA) == []
    assert world.side.store.history(BERT) == bert
    assert world.side.store.state_hash() == alone
    assert world.responses.trace("request-of-b") is not None
    assert report.removed["events"] == 6 and report.removed["responses"] == 1
    assert report.removed["dead_letters"] == 3 and report.removed["snapshot_files"] >= 2
    assert [d.offset for d in world.side.store.dead_letters()] == [4, 3]


def test_keys_bound_to_the_person_end_and_belong_to_nobody(world: World) -> None:
    world.fill()
    _, secret = world.side.api_keys.create(Role.CLIENT, "tv", world.at_ms, ANNA)
    world.erase()
    theirs = [key for key in world.side.api_keys.keys() if key.name == "erased"]
    assert len(theirs) == 2
    assert all(k.revoked_at_ms is not None and k.user_id is None for k in theirs)
    assert world.side.api_keys.verify(secret) is None


def test_the_audit_log_tells_of_it_under_a_reference(world: World) -> None:
    world.fill()
    report = world.erase()
    erased, redacted = (next(e for e in world.side.audit.entries() if e.action == action)
                        for action in ("user_erase", "GET /users"))
    assert (erased.actor, erased.target, erased.outcome) == ("test", report.reference, "done")
    assert redacted.target == f"/users/{report.reference}/history"
    assert redacted.detail == f"{ANNA}0 is another"


def test_events_that_come_again_are_dropped_and_new_ones_of_the_same_id_count(
    world: World,
) -> None:
    world.fill()
    world.erase()
    before = world.side.store.state_hash()
    done = world.side.store.apply(
        frame_of([*world.events(ANNA), *world.events(BERT)]), dead_letters=LETTERS)
    assert (done.applied, done.duplicates, done.erased) == (0, 6, 6)
    # An import of today that tells of earlier times, and letters, do not come back either.
    old = rating("import", ANNA, "m5", timestamp_ms=5_000, received_at_ms=now_ms() + 1_000)
    assert world.side.store.apply(frame_of([old])).erased == 1
    assert world.side.catalogue.add_people([Person(ANNA)]) == 0
    assert world.side.store.state_hash() == before and world.stored(ANNA) == []
    later = now_ms() + 1_000
    new = rating("back again", ANNA, "m5", timestamp_ms=later, received_at_ms=later)
    assert world.side.store.apply(frame_of([new])).applied == 1
    assert [e.event_id for e in world.side.store.history(ANNA).entries] == ["back again"]


def test_no_offset_and_no_number_is_given_twice_and_the_reader_goes_on(world: World) -> None:
    world.fill()
    ends = world.log.end_offsets(["ratings"])
    last = world.side.store.last_sequence()
    consumer = world.log.consumer("g", ["ratings"])
    while consumer.poll(100, 0.05):
        pass
    world.erase()
    (answer,) = world.log.accept([rating("next", ANNA)])
    (record,) = consumer.poll(10, 5)
    assert orjson.loads(record.value)["event_id"] == answer.event_id
    reopened = EmbeddedLog(world.log_engine, 2) if "sqlite" in world.settings.log() else world.log
    assert sum(reopened.end_offsets(["ratings"]).values()) == sum(ends.values()) + 1
    later = now_ms() + 1_000
    world.side.store.apply(frame_of(
        [rating("x", BERT, timestamp_ms=later, received_at_ms=later)]))
    assert world.side.store.last_sequence() > last
    if reopened is not world.log:
        reopened.close()


def test_the_next_snapshot_goes_on_from_the_rewritten_one(world: World) -> None:
    world.fill()
    report = world.erase()
    ((old, new),) = report.snapshots_rewritten
    assert old != new
    world.side.store.apply(frame_of([rating("more", BERT, "m8")]))
    world.snapshot()
    names = [p.name for p in (world.settings.data_folder / "snapshots").rglob("part*.parquet")]
    assert any("kept" in name for name in names)
    assert world.stored(ANNA) == []


def test_what_failed_is_told_and_done_the_next_time(world: World) -> None:
    world.fill()
    (part,) = (world.settings.data_folder / "snapshots" / "events").rglob("*.parquet")
    content = part.read_bytes()
    part.write_bytes(b"damaged")
    report = world.erase()
    assert not report.complete and "not the file that was written" in report.failures["snapshots"]
    assert report.removed["events"] == 6 and report.removed["responses"] == 1
    assert StoreErasure(world.side.engine).unfinished() == [report.reference]
    part.write_bytes(content)
    again = world.erase()
    assert again.complete and again.reference == report.reference
    assert StoreErasure(world.side.engine).unfinished() == [] and world.stored(ANNA) == []


def test_a_kafka_that_is_away_leaves_nothing_undone_here(world: World) -> None:
    world.fill()

    def ask(_user: str) -> Sequence[Holding]:
        raise BusUnavailable("no broker")

    places = replace(world.eraser()._places, holdings=ask)
    report = Eraser(places, world.side.audit, now_ms).erase(ANNA, "test")
    assert report.failures == {"kafka": "no broker"} and world.stored(ANNA) == []
    assert StoreErasure(world.side.engine).unfinished() == []


def test_reports_name_the_person_no_more_and_keep_their_figures(world: World) -> None:
    world.fill()
    outputs = world.settings.outputs_folder
    outputs.mkdir()
    document = {"flagged": [{"user_id": ANNA, "count": 7}, {"user_id": BERT, "count": 5}],
                "accounts": [ANNA, BERT], "item_id": ANNA}
    (outputs / "security_analysis_results.json").write_bytes(
        orjson.dumps(document, option=orjson.OPT_INDENT_2))
    (outputs / "audit_history.jsonl").write_bytes(
        orjson.dumps(document) + b"\nbroken " + ANNA.encode() + b"\n")
    report = world.erase()
    assert report.removed["reports"] == 4
    found = orjson.loads((outputs / "security_analysis_results.json").read_bytes())
    assert found == {
        "flagged": [{"user_id": "erased", "count": 7}, {"user_id": BERT, "count": 5}],
        "accounts": ["erased", BERT], "item_id": ANNA}
    assert orjson.loads((outputs / "audit_history.jsonl").read_bytes().split(b"\n")[0]) == found


def test_erasing_somebody_unknown_is_harmless(world: World) -> None:
    world.fill()
    before = world.side.store.state_hash()
    report = world.erase("nobody")
    assert report.complete and not any(report.removed.values())
    assert world.side.store.state_hash() == before


# --- the rules


def test_a_digest_hides_the_id_and_depends_on_the_salt() -> None:
    digest = user_digest(b"s" * 32, ANNA)
    assert len(digest) == 64 and digest != user_digest(b"t" * 32, ANNA)
    assert reference_of(digest) == f"erased:{digest[:16]}"


@given(st.integers(0, 10), st.integers(0, 10), st.integers(0, 10))
def test_only_what_was_both_done_and_received_later_counts(
    until: int, timestamp: int, received: int
) -> None:
    assert comes_back(until, timestamp, received) == (timestamp <= until or received <= until)


@pytest.mark.parametrize(("value", "key", "theirs"), [
    (b'{"user_id": 7}', None, True), (b'{"user_id": "7"}', None, True), (b"x", "7", True),
    (b'{"user_id": 77}', None, False), (b'{"user_id": 7, broken', None, True),
    (b"user_id=7;", None, True), (b"user_id=77", None, False), (b'{"item_id": 7}', None, False),
    (b'{"cluster_id":"c","key":"7","value":"?"}', "c/t/0/1", True),
    (b'{"cluster_id":"c","key":null,"value":"{\\"user_id\\": 7}"}', "c/t/0/1", True),
    (b'{"cluster_id":"c","key":null,"value":"{\\"user_id\\": 7, x"}', "c/t/0/1", True),
    (b'["user_id", 8]', None, False),
])  # fmt: skip
def test_records_of_a_person_are_recognised(value: bytes, key: str | None, theirs: bool) -> None:
    assert speaks_of("7", key, value) is theirs


def test_an_id_is_replaced_only_where_it_stands_alone() -> None:
    assert without_id("/users/7/x?user_id=7&k=17 7.5", "7", "R") == "/users/R/x?user_id=R&k=17 7.5"


