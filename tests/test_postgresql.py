"""What PostgreSQL itself brings: a server that goes away, settings that lose commits, owners."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Engine, text

from adapters import log_writer, postgresql_engine
from adapters.database import open_database, reading, writing
from adapters.embedded_log import EmbeddedLog
from adapters.event_store import SqlEventStore
from adapters.relay_outbox import RelayOutbox
from adapters.relay_queue import SqlRelayQueue
from recommender.errors import LogTaken, StoreUnavailable
from recommender.types import Outcome
from tests.databases_of_tests import NEEDS_POSTGRESQL, count, database_url, new_database, postgres
from tests.postgres_server import PostgresServer
from tests.sample_events import NOW_MS, frame_of, rating

pytestmark = NEEDS_POSTGRESQL
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return new_database(tmp_path, "store", "postgresql")


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server that the tests may stop and start again."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


def shown(engine: Engine, name: str) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text(f"SHOW {name}")).scalar())


def soon(act: Callable[[], Any], within_s: float = 10.0) -> Any:
    """What `act` returns once the store answers."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return act()
        except StoreUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)


# --- settings of the sessions


def test_the_driver_is_psycopg_3_whether_it_is_named_or_not(tmp_path: Path) -> None:
    url = database_url(tmp_path, "store", "postgresql")
    for named in (url, url.replace("+psycopg", "")):
        opened = open_database(named, "store")
        assert opened.driver == "psycopg"
        opened.dispose()
    with pytest.raises(ValueError, match=r"postgresql\+psycopg2: use postgresql\+psycopg"):
        open_database(url.replace("+psycopg", "+psycopg2"), "store")


def test_what_the_url_says_of_the_session_is_kept(tmp_path: Path) -> None:
    url = database_url(tmp_path, "store", "postgresql")
    opened = open_database(f"{url}?application_name=ours&options=-c%20work_mem%3D8MB", "store")
    assert shown(opened, "application_name") == "ours"
    assert shown(opened, "work_mem") == "8MB"
    assert shown(opened, "lock_timeout") == "10s"
    opened.dispose()


def test_a_role_that_need_not_wait_for_the_disk_waits_here(tmp_path: Path) -> None:
    database = new_database(tmp_path, "store", "postgresql").url.database
    with closing(postgres().server.connect(str(database))) as connection:
        for value, expected in (("off", "on"), ("local", "local")):
            connection.execute(f"ALTER ROLE fairreel SET synchronous_commit = {value}")
            try:
                opened = new_database(tmp_path, "log", "postgresql")
                assert shown(opened, "synchronous_commit") == expected
            finally:
                connection.execute("ALTER ROLE fairreel RESET synchronous_commit")


def test_a_server_without_fsync_is_warned_of(own: PostgresServer) -> None:
    with closing(own.connect()) as connection:
        for value, warnings in (("off", 1), ("on", 0)):
            connection.execute(f"ALTER SYSTEM SET fsync = {value}")
            connection.execute("SELECT pg_reload_conf()")
            time.sleep(0.3)
            with structlog.testing.capture_logs() as lines:
                open_database(own.url("postgres"), "store").dispose()
            assert [line["event"] for line in lines] == ["postgresql_without_fsync"] * warnings


def test_a_wrong_password_is_unavailable_and_not_repeated(own: PostgresServer) -> None:
    rules = own.folder / "data" / "pg_hba.conf"
    rules.write_text("host all asked 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    with closing(own.connect()) as connection:
        connection.execute("CREATE ROLE asked LOGIN PASSWORD 'right'")
        connection.execute("SELECT pg_reload_conf()")
    time.sleep(0.3)
    url = own.url("postgres").replace("fairreel@", "asked:wr0ng@")
    with pytest.raises(StoreUnavailable, match="password authentication failed") as refused:
        open_database(url, "store")
    assert "wr0ng" not in str(refused.value)


def test_a_read_of_one_state_is_not_touched_by_writers(engine: Engine) -> None:
    store = SqlEventStore(engine)
    store.apply(frame_of([rating("a")]))
    counting = text("SELECT count(*) FROM applied_events")
    with reading(engine, consistent=True) as connection:
        assert connection.execute(counting).scalar() == 1
        store.apply(frame_of([rating("b", item="m2")]))
        assert connection.execute(counting).scalar() == 1
    with reading(engine) as connection:
        assert connection.execute(counting).scalar() == 2


def test_when_all_connections_are_lent_the_next_is_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_engine, "POOL_TIMEOUT_S", 0.1)
    engine = new_database(tmp_path, "store", "postgresql")
    lent = [engine.connect() for _ in range(16)]
    with pytest.raises(StoreUnavailable) as refused:
        SqlEventStore(engine).last_sequence()
    assert refused.value.retry_after_s == 1
    for connection in lent:
        connection.close()
    assert SqlEventStore(engine).last_sequence() == 0


# --- a server that goes away


def test_a_server_that_comes_back_is_used_again(own: PostgresServer) -> None:
    with closing(own.connect()) as connection:
        connection.execute("CREATE DATABASE restarted")
    url = own.url("restarted")
    store = SqlEventStore(stores := open_database(url, "store"))
    log = EmbeddedLog(logs := open_database(url, "log"), 4)
    log.accept([rating("before")])
    consumer = log.consumer("g", ["ratings"])
    own.stop()
    with pytest.raises(StoreUnavailable):
        store.last_sequence()
    with pytest.raises(StoreUnavailable):
        log.accept([rating("during")])
    assert log.problem() is not None
    own.start()
    assert store.last_sequence() == 0
    # The log notices the lost connection with the first write, and then opens another.
    soon(lambda: log.accept([rating("after")]))
    assert soon(log.depth) == 0
    assert len(consumer.poll(10, 5)) == 2
    log.close()
    for opened in (stores, logs):
        opened.dispose()


@pytest.mark.parametrize("adapter", ["embedded", "relay"])
def test_what_was_accepted_survives_crashes_of_the_server(
    own: PostgresServer, adapter: str
) -> None:
    with closing(own.connect()) as connection:
        connection.execute(f"CREATE DATABASE crashed_{adapter}")
    engine = open_database(own.url(f"crashed_{adapter}"), "log")
    queue = SqlRelayQueue(engine)
    outbox = EmbeddedLog(engine, 4) if adapter == "embedded" else RelayOutbox(engine, queue)
    acknowledged: list[str] = []
    stop = threading.Event()

    def post(thread: int) -> None:
        i = 0
        while not stop.is_set():
            name = f"{thread}-{i}"
            try:
                answer = outbox.accept([rating(name, item=f"m{i}")])[0]
            except StoreUnavailable:
                time.sleep(0.02)
                continue  # the same event again, as a client does
            assert answer.outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE)
            acknowledged.append(name)
            i += 1

    threads = [threading.Thread(target=post, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = len(acknowledged)
        wait_until(lambda before=before: len(acknowledged) > before + 50)  # type: ignore[misc]
        own.kill()
        own.start()
    before = len(acknowledged)
    wait_until(lambda: len(acknowledged) > before + 50)
    stop.set()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT event_id FROM outbox")).scalars().all()
    assert set(acknowledged) <= set(rows)
    assert len(rows) == len(set(rows))
    outbox.close()
    queue.close()
    engine.dispose()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- one owner of an embedded log


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "_RESTART_S", 0.2)


def embedded(folder: Path) -> EmbeddedLog:
    return EmbeddedLog(new_database(folder, "log", "postgresql"), 4, clock_ms=lambda: NOW_MS)


@pytest.mark.usefixtures("impatient")
def test_a_second_process_on_the_same_log_is_refused(tmp_path: Path) -> None:
    first = embedded(tmp_path)
    with pytest.raises(LogTaken, match="another process owns the embedded log"):
        embedded(tmp_path)
    first.accept([rating("a")])
    first.close()
    second = embedded(tmp_path)
    second.accept([rating("b")])
    assert sum(second.end_offsets(["ratings"]).values()) == 2
    second.close()


@pytest.mark.usefixtures("impatient")
def test_logs_in_other_databases_have_owners_of_their_own(tmp_path: Path) -> None:
    logs = [embedded(tmp_path / name) for name in "ab"]
    for log in logs:
        log.close()


def test_a_killed_owner_leaves_the_log_to_the_next(tmp_path: Path) -> None:
    code = (
        "import sys, time; from adapters.database import open_database;"
        "from adapters.embedded_log import EmbeddedLog;"
        "log = EmbeddedLog(open_database(sys.argv[1], 'log'), 4);"
        "print('owned', flush=True); time.sleep(60)"
    )
    new_database(tmp_path, "log", "postgresql")
    process = subprocess.Popen(
        [sys.executable, "-c", code, database_url(tmp_path, "log", "postgresql")],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "owned\n"
        threading.Timer(0.5, process.kill).start()
        begun = time.monotonic()
        embedded(tmp_path).close()  # waits for the other to end, as in a restart
        assert 0.3 < time.monotonic() - begun < 10
    finally:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("impatient")
def test_an_owner_that_lost_its_session_goes_on_unless_another_took_over(tmp_path: Path) -> None:
    log = embedded(tmp_path)
    engine = new_database(tmp_path, "log", "postgresql")

    def end_sessions() -> None:
        with writing(engine) as connection:
            connection.execute(text(
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_locks "
                "WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"))  # fmt: skip

    end_sessions()
    with pytest.raises(StoreUnavailable):
        log.accept([rating("a")])
    assert log.accept([rating("a")])[0].outcome is Outcome.ACCEPTED
    end_sessions()
    other = embedded(tmp_path)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            log.accept([rating("b")])
    other.accept([rating("c")])
    log.close()
    other.close()
    assert count(engine, "outbox") == 2
