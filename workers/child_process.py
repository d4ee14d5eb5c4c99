"""Work in a process of its own, so that it never holds the interpreter of the web process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock, Timer
from typing import Any

import structlog

from workers.processor import let_go

_log = structlog.get_logger(__name__)

TERMINATION_GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a child ended. `ended_by` is None when it ended by itself, else `timeout` or `stop`."""

    exit_code: int
    seconds: float
    ended_by: str | None


class ChildProcess:
    """Runs one command; its lines on standard output are JSON objects.

    The child leads a process group of its own. Its standard input is a pipe that is never
    written to: it closes when this process ends in whatever way, and the child watches it.

    Args:
        command: program and arguments.
        timeout_s: the group is ended after this time.
        on_line: called with each line, in the thread of `run`.
    """

    def __init__(
        self, command: Sequence[str], timeout_s: float, on_line: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._on_line = on_line
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_by: str | None = None

    def run(self) -> ChildResult:
        """Start the command, hand on its lines, and return when it has ended.

        Raises:
            OSError: the program cannot be started.
        """
        began = time.monotonic()
        with self._lock:
            if self._ended_by is not None:
                return ChildResult(-signal.SIGTERM, 0.0, self._ended_by)
            with let_go():
                process = self._process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    start_new_session=True,
                )
        timer = Timer(self._timeout_s, self._end, ("timeout",))
        timer.daemon = True
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                self._hand_on(line)
            code = process.wait()
        finally:
            timer.cancel()
            self._kill_group(signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        return ChildResult(code, time.monotonic() - began, self._ended_by)

    def stop(self) -> None:
        """End the group: SIGTERM, and SIGKILL after a grace. A run not yet started won't start."""
        self._end("stop")

    @property
    def pid(self) -> int | None:
        """Process id, None before the start."""
        return None if self._process is None else self._process.pid

    def _end(self, why: str) -> None:
        with self._lock:
            if self._ended_by is None:
                self._ended_by = why
            process = self._process
        if process is None or process.poll() is not None:
            return
        self._kill_group(signal.SIGTERM)
        try:
            process.wait(TERMINATION_GRACE_S)
        except subprocess.TimeoutExpired:
            self._kill_group(signal.SIGKILL)

    def _kill_group(self, number: int) -> None:
        process = self._process
        if process is None:
            return
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return  # the whole group has ended

    def _hand_on(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if isinstance(message, dict):
            self._on_line(message)
        elif text := line.decode(errors="replace").strip():
            _log.info("child_output", text=text)
