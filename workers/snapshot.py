"""The snapshot job: a child writes what is new to Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import structlog

from workers.child_process import ChildProcess

_log = structlog.get_logger(__name__)


class SnapshotFailed(Exception):
    """The child did not end well; the scheduler logs it and the next run tries again."""


class SnapshotJob:
    """Runs the snapshot child and waits for it.

    Args:
        command: program and arguments of the child.
        timeout_s: the child is ended after this time.
    """

    def __init__(self, command: Sequence[str], timeout_s: float) -> None:
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._lock = Lock()
        self._child: ChildProcess | None = None
        self._closed = False

    def run(self) -> None:
        """Take a snapshot; does nothing after `stop`.

        Raises:
            SnapshotFailed: the child failed or was ended.
        """
        with self._lock:
            if self._closed:
                return
            child = self._child = ChildProcess(self._command, self._timeout_s, _report)
        result = child.run()
        if result.ended_by is not None or result.exit_code != 0:
            raise SnapshotFailed(f"exit code {result.exit_code}, ended by {result.ended_by}")

    def stop(self) -> None:
        """End a running child and start no other."""
        with self._lock:
            self._closed = True
            child = self._child
        if child is not None:
            child.stop()


def _report(line: Mapping[str, Any]) -> None:
    _log.info("snapshot_child", line=dict(line))
