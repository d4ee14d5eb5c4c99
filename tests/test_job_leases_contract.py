"""At most one holder a job, by the clock of the database; the rest is refused by its token."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import Engine, select

from adapters.allow_list import SqlAllowList
from adapters.database import reading
from adapters.job_leases import DatabaseClockMs, SqlJobLeases
from recommender.errors import LeaseLost, StoreUnavailable
from recommender.types import ModelStatus
from tests.databases_of_tests import database_url
from tests.store_of_tests import engine
from workers.held_lease import HeldLease
from workers.shared_schedule import SharedSchedule

ROOT = Path(__file__).resolve().parent.parent

__all__ = ["engine"]  # a fixture


@pytest.fixture
def leases(engine: Engine) -> SqlJobLeases:
    return SqlJobLeases(engine)


def publish(engine: Engine, token: int) -> int:
    return (
        SqlAllowList(engine)
        .register("20261121T003000Z", "knn", ModelStatus.AVAILABLE, "0" * 64, 1, None, ("j", token))
        .version
    )


def test_the_clock_of_the_database_is_utc_in_milliseconds(engine: Engine) -> None:
    with reading(engine) as connection:
        shown = connection.execute(select(DatabaseClockMs())).scalar_one()
    assert abs(shown - time.time() * 1000) < 2_000


def test_one_of_two_gets_the_job(leases: SqlJobLeases) -> None:
    assert leases.acquire("j", "a", 60) is not None
    assert leases.acquire("j", "b", 60) is None
    assert leases.acquire("j", "a", 60) is None
    assert leases.acquire("other", "b", 60) is not None


def test_one_of_many_that_ask_at_once_gets_the_job(leases: SqlJobLeases) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda n: leases.acquire("j", f"holder {n}", 60), range(16)))
    assert sum(token is not None for token in tokens) == 1


def test_tokens_grow_over_releases_and_expiries(leases: SqlJobLeases) -> None:
    tokens = []
    for turn in range(6):
        token = leases.acquire("j", "a", 60 if turn % 2 else 0)
        assert token is not None
        tokens.append(token)
        if turn % 2:
            leases.release("j", token)
    assert tokens == sorted(set(tokens))


def test_an_expired_lease_goes_to_the_next_and_is_not_renewed(leases: SqlJobLeases) -> None:
    first = leases.acquire("j", "a", 0.05)
    assert first is not None
    time.sleep(0.06)
    assert not leases.renew("j", first, 60)
    second = leases.acquire("j", "b", 60)
    assert second is not None and second > first
    assert not leases.renew("j", first, 60)
    leases.release("j", first)  # changes nothing: it is another's now
    assert leases.acquire("j", "c", 60) is None


def test_a_renewed_lease_lasts(leases: SqlJobLeases) -> None:
    token = leases.acquire("j", "a", 0.2)
    assert token is not None and leases.renew("j", token, 60)
    time.sleep(0.25)
    assert leases.acquire("j", "b", 60) is None


def test_the_holder_publishes_and_the_late_one_does_not(
    engine: Engine, leases: SqlJobLeases
) -> None:
    late = leases.acquire("j", "a", 0)
    current = leases.acquire("j", "b", 60)
    assert late is not None and current is not None
    with pytest.raises(LeaseLost):
        publish(engine, late)
    assert SqlAllowList(engine).records() == []
    assert publish(engine, current) == 1
    with pytest.raises(LeaseLost):
        SqlAllowList(engine).serve("20261121T003000Z", 2, ("j", late))
    assert SqlAllowList(engine).serving() is None


def test_after_release_or_expiry_nothing_is_published(engine: Engine, leases: SqlJobLeases) -> None:
    given_back = leases.acquire("j", "a", 60)
    assert given_back is not None
    leases.release("j", given_back)
    with pytest.raises(LeaseLost):
        publish(engine, given_back)
    expired = leases.acquire("j", "a", 0)
    assert expired is not None
    with pytest.raises(LeaseLost):
        publish(engine, expired)
    with pytest.raises(LeaseLost):
        publish(engine, expired + 1)


def test_a_held_lease_is_renewed_while_the_work_goes_on(leases: SqlJobLeases) -> None:
    token = leases.acquire("j", "a", 0.6)
    assert token is not None
    lost = Event()
    with HeldLease(leases, "j", token, 0.6, lost.set) as lease:
        assert lease.fencing == ("j", token)
        time.sleep(1.0)
        assert leases.acquire("j", "b", 60) is None
    assert not lost.is_set()
    assert leases.acquire("j", "b", 60) is not None


def test_the_work_is_told_when_its_lease_is_lost(leases: SqlJobLeases) -> None:
    token = leases.acquire("j", "a", 60)
    assert token is not None
    lost = Event()
    with HeldLease(leases, "j", token, 0.15, lost.set):
        leases.release("j", token)
        assert leases.acquire("j", "b", 60) is not None
        assert lost.wait(5)


def test_the_work_is_told_when_the_store_is_away_for_too_long(leases: SqlJobLeases) -> None:
    class Away(SqlJobLeases):
        def renew(self, job: str, token: int, seconds: float) -> bool:
            raise StoreUnavailable("away")

        def release(self, job: str, token: int) -> None:
            """Nothing can be given back."""

    lost = Event()
    began = time.monotonic()
    with HeldLease(Away(leases._engine), "j", 1, 0.6, lost.set):
        assert lost.wait(5)
    assert 0.35 < time.monotonic() - began <= 0.9


# A process that holds the lease and publishes when it is told to. Its own clock is an hour slow.
HOLDER = """
import sys, time
real = time.time
time.time = lambda: real() - 3600
from adapters.allow_list import SqlAllowList
from adapters.database import open_database
from adapters.job_leases import SqlJobLeases
from recommender.errors import LeaseLost
from recommender.types import ModelStatus
from workers.held_lease import HeldLease
from adapters.json_log import configure_json_log
configure_json_log("ERROR")
engine = open_database(sys.argv[1], "store")
leases = SqlJobLeases(engine)
token = leases.acquire("j", "the child", 2.0)
with HeldLease(leases, "j", token, 2.0, lambda: None) as lease:
    print(token, flush=True)
    sys.stdin.readline()
    try:
        SqlAllowList(engine).register(
            "20261121T003000Z", "knn", ModelStatus.AVAILABLE, "0" * 64, 1, None, lease.fencing)
        print("published", flush=True)
    except LeaseLost:
        print("lease lost", flush=True)
"""


@pytest.fixture
def holder(tmp_path: Path, kind: str, engine: Engine) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, database_url(tmp_path, "store", kind)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def acquired(leases: SqlJobLeases, within_s: float = 10.0) -> int:
    deadline = time.monotonic() + within_s
    while (token := leases.acquire("j", "ours", 60)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return token


def test_a_process_that_renews_keeps_the_job_whatever_its_own_clock_says(
    holder: subprocess.Popen[str], leases: SqlJobLeases, engine: Engine
) -> None:
    assert int(said(holder)) == 1
    watched_until = time.monotonic() + 3
    while time.monotonic() < watched_until:
        assert leases.acquire("j", "ours", 60) is None
        time.sleep(0.05)
    tell(holder)
    assert said(holder) == "published"
    assert acquired(leases) == 2


def test_a_process_that_was_stopped_for_too_long_publishes_nothing(
    holder: subprocess.Popen[str], leases: SqlJobLeases, engine: Engine
) -> None:
    assert int(said(holder)) == 1
    holder.send_signal(signal.SIGSTOP)
    token = acquired(leases)
    assert token == 2
    assert publish(engine, token) == 1
    tell(holder)
    holder.send_signal(signal.SIGCONT)
    assert said(holder) == "lease lost"
    assert [record.version for record in SqlAllowList(engine).records()] == [1]
    assert leases.renew("j", token, 60)


def test_a_killed_process_leaves_the_job_to_the_next(
    holder: subprocess.Popen[str], leases: SqlJobLeases
) -> None:
    assert int(said(holder)) == 1
    holder.kill()
    begun = time.monotonic()
    assert acquired(leases) == 2
    assert time.monotonic() - begun < 6


def test_replicas_share_the_runs_of_a_job(leases: SqlJobLeases) -> None:
    ran: list[str] = []
    left: list[str] = []
    runs = [
        SharedSchedule(leases, name).shared(
            "train", 0.5, lambda name=name: ran.append(name), lambda name=name: left.append(name))  # type: ignore[misc]
        for name in "ab"
    ]
    for _ in range(2):
        for run in runs:
            run()
        time.sleep(0.5)
    runs[1]()
    assert ran == ["a", "a", "b"]
    assert left == ["b", "b"]
