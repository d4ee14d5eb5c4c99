"""A real Redis server in a folder of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import redis

from benchmarks.ports import free_port
from tests.programs_of_system import program

_STARTED_WITHIN_S = 10.0


class RedisServer:
    """Keeps nothing on disk: counters need not survive it. It ends when who started it does."""

    def __init__(self, options: Sequence[str] = ("--save", "", "--appendonly", "no")) -> None:
        self._options = options
        self.folder = Path(tempfile.mkdtemp(prefix="fairreel-redis-"))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program("setpriv"), "--pdeathsig", "KILL", program("redis-server"),
                 "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder),
                 *self._options],
                stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        deadline = time.monotonic() + _STARTED_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing, as behind a lost network."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """End of the freeze."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def empty(self) -> None:
        """Forget all counters."""
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def said(self) -> str:
        """What it has logged."""
        return (self.folder / "log").read_text(errors="replace")

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(10)
