"""The program as an application factory that ends itself with kill -9 at a chosen point.

`CRASH_AT` names the point, `CRASH_AFTER` how many times it is passed before; the whole process
group dies, as when the machine ends it. For `make faults`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import Connection, Engine, event

import app
from adapters.relay_outbox import RelayOutbox
from adapters.relay_queue import SqlRelayQueue

FACTORY = "benchmarks.crash_points:create_app"
Passed = Callable[[], None]


def create_app() -> Flask:
    """As `app.create_app`."""
    POINTS[os.environ["CRASH_AT"]](_countdown(int(os.environ["CRASH_AFTER"])))
    return app.create_app()


def _countdown(times: int) -> Passed:
    left = [times]

    def passed() -> None:
        left[0] -= 1
        if left[0] < 0:
            os.killpg(os.getpgid(0), signal.SIGKILL)

    return passed


def _after_insert(passed: Passed) -> None:
    """The row is in the outbox, on the disk, and nobody was answered."""
    write = RelayOutbox._write

    def written(self: RelayOutbox, works: Any) -> Any:
        answers = write(self, works)
        if works:
            passed()
        return answers

    RelayOutbox._write = written  # type: ignore[method-assign]


def _after_send(passed: Passed) -> None:
    """The brokers have acknowledged a batch, and it is not marked."""
    mark = SqlRelayQueue.mark_sent

    def marked(self: SqlRelayQueue, sequences: Any) -> None:
        passed()
        mark(self, sequences)

    SqlRelayQueue.mark_sent = marked  # type: ignore[method-assign]


def _before_commit(passed: Passed) -> None:
    """A batch is applied within a transaction that is not committed."""

    def committing(_connection: Connection) -> None:
        if threading.current_thread().name == "ingest":
            passed()

    event.listen(Engine, "commit", committing)


POINTS: dict[str, Callable[[Passed], None]] = {
    "after-insert": _after_insert, "after-send": _after_send, "before-commit": _before_commit,
}
