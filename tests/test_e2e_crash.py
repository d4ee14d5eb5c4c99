"""The real program killed with SIGKILL, and what is on the disk before an answer leaves."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from benchmarks.durability import measure
from benchmarks.program import SERVE, Answer, Program, alive, children, send
from commands.training_run import RETRAIN_LEASE
from tests.running_server import Home, prepared_home, soon
from workers.snapshot_lease import SNAPSHOT_LEASE

LOST_MS = 100  # what docs/adr says kill -9 can lose of the traces, and the write itself
WRITE_MS = 100
SYSTEM_CALLS = "fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return prepared_home(tmp_path)


def test_after_kills_every_answered_event_is_stored_once_and_a_replay_gives_the_same_state(
    home: Home,
) -> None:
    outcome = measure(home.program(), home.data, posts=300, kills=2, clients=6, seed=4)
    assert outcome.sound, outcome
    assert (outcome.acknowledged, outcome.lost, outcome.logged_twice) == (300, 0, 0)
    assert outcome.applied == outcome.logged == 300
    assert outcome.kills >= 2


class Asking:
    """Threads that ask for lists as long as the program answers; when each answer came."""

    def __init__(self, program: Program, threads: int = 3) -> None:
        self.answers: list[tuple[float, Answer]] = []
        self._port = program.port
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        with suppress(OSError, HTTPException), closing(
            HTTPConnection("127.0.0.1", self._port, timeout=10)
        ) as connection:
            for turn in range(100_000):
                user = f"u{(turn * 3 + number) % 100 + 1}"
                answer = send(connection, "GET", f"/recommend?user_id={user}")
                assert answer.status == 200
                self.answers.append((time.monotonic(), answer))


def waiting_training(home: Home, program: Program) -> int:
    """Process id of a training child that waits for a snapshot which is never finished."""
    with closing(home.side()) as side:
        side.leases.acquire(SNAPSHOT_LEASE, "never done", 600)
    asked = program.ask("POST", "/models/retrain", headers=home.admin)
    assert asked.status == 202
    soon(lambda: "taking a snapshot" in str(
        program.ask("GET", "/models", headers=home.admin).json()["retrain"]["progress"]),
        within_s=60.0)
    (child,) = children(program.workers()[0])
    return child


def can_train(home: Home) -> bool:
    with closing(home.side()) as side:
        return side.leases.acquire(RETRAIN_LEASE, "tests", 0.01) is not None


def test_kill_9_loses_only_the_newest_traces_and_no_training_outlives_its_server(
    home: Home,
) -> None:
    with home.program().start() as program:
        child = waiting_training(home, program)
        asking = Asking(program)
        time.sleep(0.8)
        killed_at = time.monotonic()
        program.kill()
        asking.join()
        soon(lambda: not alive(child), 5.0)
        soon(lambda: can_train(home), 5.0)

        program.start()
        old = [answer for at, answer in asking.answers
               if at < killed_at - (LOST_MS + WRITE_MS) / 1000]
        assert len(old) > 50
        for answer in old[-150:] + old[:20]:
            trace = program.ask("GET", f"/trace/{answer.headers['x-request-id']}")
            assert trace.status == 200 and answer.body in trace.body

        child = waiting_training(home, program)
        began = time.monotonic()
        assert program.terminate() == 0
        assert time.monotonic() - began < 10
        assert not alive(child)
        assert can_train(home)


def test_a_worker_whose_supervisor_was_killed_writes_everything_and_frees_the_port(
    home: Home,
) -> None:
    with home.program().start() as program:
        (worker,) = program.workers()
        answers = [program.ask("GET", f"/recommend?user_id=u{n}") for n in range(1, 21)]
        program.process.kill()
        program.process.wait(10)
        soon(lambda: not alive(worker), 10.0)
        assert len(home.log("stopped")) == 1
        program.start()
        for answer in answers:
            trace = program.ask("GET", f"/trace/{answer.headers['x-request-id']}")
            assert trace.status == 200 and answer.body in trace.body


# --- what reached the disk before the answer left

CALL = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\((\d+)<(.*?)>)(.*)$")


def calls(trace: Path) -> Iterator[tuple[str, str, str, bool]]:
    """Name, file, arguments and whether it is done, of each line, in the order of time."""
    open_calls: dict[str, str] = {}
    for line in trace.read_text(errors="replace").splitlines():
        found = CALL.match(line)
        if found is None:
            continue
        thread, resumed, name, _, file, rest = found.groups()
        if resumed:
            yield resumed, open_calls.pop(thread, ""), rest, True
        else:
            done = "<unfinished ...>" not in rest
            if not done:
                open_calls[thread] = file
            yield name, file, rest, done


@pytest.mark.needs_tool("strace")
def test_each_rating_is_written_and_synced_before_its_answer_is_sent(home: Home) -> None:
    trace = home.folder / "trace"
    command = ("strace", "-f", "--seccomp-bpf", "-y", "-s", "8192",
               "-e", f"trace={SYSTEM_CALLS}", "-o", str(trace), *SERVE)
    ids = [f"synced-{n:03d}" for n in range(50)]
    with home.program(command).start() as program:
        post_at_once(program, ids)
        (traced,) = program.workers()
        for pid in (traced, *children(traced)):
            os.kill(pid, signal.SIGKILL)
        program.process.wait(20)  # strace ends after them, with its file written
    written: dict[str, int] = {}
    synced: list[int] = []
    sent: dict[str, int] = defaultdict(int)
    for place, (name, file, arguments, done) in enumerate(calls(trace)):
        if file.endswith("/log.db-wal"):
            if name == "pwrite64":
                written |= {i: place for i in ids if i in arguments and i not in written}
            elif done:
                assert arguments.endswith("= 0")
                synced.append(place)
        elif file.startswith(("socket:", "TCP:")):
            sent |= {i: place for i in ids if i in arguments and i not in sent}
    assert set(written) == set(sent) == set(ids)
    for event_id in ids:
        assert any(written[event_id] < sync < sent[event_id] for sync in synced), event_id
    during = [s for s in synced if min(written.values()) < s < max(sent.values())]
    assert 0 < len(during) <= len(ids)


def post_at_once(program: Program, ids: list[str]) -> None:
    def post(mine: list[str]) -> None:
        for event_id in mine:
            body = {"event_id": event_id, "user_id": "u1", "item_id": "m1", "rating": 3}
            statuses.append(program.ask("POST", "/rate", body).status)

    statuses: list[int] = []
    threads = [threading.Thread(target=post, args=(ids[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * len(ids)
