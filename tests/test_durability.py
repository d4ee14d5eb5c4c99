"""What was answered for is there after kill -9, applied once, and equal to a clean replay."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.durable_process import ingest, open_parts
from workers.ingest import offsets_group

ROOT = Path(__file__).resolve().parent.parent
KILLS = 5


def test_every_acknowledged_event_survives_kill_9_and_is_applied_once(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    acknowledged: list[str] = []
    for run in range(KILLS):
        acknowledged += _run_until_killed(tmp_path, run, 200 + chance.randrange(1200))
    assert len(set(acknowledged)) > 1000

    log, store = open_parts(tmp_path)
    accepted = sum(log.end_offsets(["ratings", "watch-events"]).values())
    worker = ingest(log, store)
    _wait_until(lambda: store.last_sequence() == accepted)
    assert worker.stop()
    assert set(acknowledged) <= set(_ids(tmp_path / "log.db", "outbox"))
    applied = _ids(tmp_path / "store.db", "applied_events")
    assert sorted(applied) == sorted(_ids(tmp_path / "log.db", "outbox"))
    assert len(applied) == len(set(applied)) == accepted
    assert sum(store.offsets(offsets_group("ingest", log.cluster_id)).values()) == accepted
    assert store.counts()["dead_letters"] == 0

    _, clean = open_parts(tmp_path, "replayed")
    worker = ingest(log, clean)
    _wait_until(lambda: clean.last_sequence() == accepted)
    assert worker.stop()
    log.close()
    assert clean.state_hash() == store.state_hash()


def _run_until_killed(folder: Path, run: int, answers: int) -> list[str]:
    """Ids that a process acknowledged before it was killed in the midst of its work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.durable_process", str(folder), str(run), "6"],
        stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(answers)]
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split(b"\n")
    assert process.wait(10) == -signal.SIGKILL
    process.stdout.close()
    # The last piece may be half a line: it was not said, so it counts for nothing.
    return [line.decode().strip() for line in (*lines, *rest[:-1])]


def _ids(database: Path, table: str) -> list[str]:
    connection = sqlite3.connect(database)
    found = [row[0] for row in connection.execute(f"SELECT event_id FROM {table}")]
    connection.close()
    return found


def _wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.needs_tool("strace")
def test_the_log_reaches_the_disk_before_each_answer(tmp_path: Path) -> None:
    # A crash of the process keeps the page cache: only the system calls show a missing fsync.
    trace = tmp_path / "trace"
    process = subprocess.Popen(
        ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o", str(trace),
         sys.executable, "-m", "tests.durable_process", str(tmp_path), "0", "1"],
        stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    answered = [process.stdout.readline() for _ in range(50)]
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait(10)
    assert all(answered)

    synced = False
    answers = 0
    started: set[str] = set()
    for line in trace.read_text().splitlines():
        thread, call = line.split(maxsplit=1)
        if call.startswith("write(1<"):
            assert synced, f"answer {answers} came before its fsync"
            synced = False
            answers += 1
        elif call.startswith(("fsync(", "fdatasync(")) and "log.db-wal>" in call:
            if call.rstrip().endswith("= 0"):
                synced = True
            else:
                started.add(thread)
        elif "sync resumed>" in call and thread in started:
            started.remove(thread)
            synced = call.rstrip().endswith("= 0")
    assert answers >= 50
