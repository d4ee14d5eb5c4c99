"""A node of a Kafka cluster as a process: start it, stop it, kill it, start it again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.kafka.jars import class_path

CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
_HERE = Path(__file__).parent
_STARTED = "Kafka Server started"


class Node:
    """One node of the given properties; `users` (name -> password, SCRAM) are made at its first
    start. It ends when who started it does."""

    def __init__(
        self, folder: Path, properties: str, users: Mapping[str, str] | None = None,
        heap: str = "-Xmx384m", cluster_id: str = CLUSTER_ID,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "broker.log"
        self._users = users or {}
        self._heap = heap
        self._cluster_id = cluster_id
        self._config = folder / "broker.properties"
        self._config.write_text(properties)
        self._process: subprocess.Popen[bytes] | None = None
        self._formatted = False
        self._starts_before = 0

    def start(self, within_s: float = 180.0) -> Self:
        """Start it and return when it serves.

        Raises:
            RuntimeError: it ended, or does not serve in time.
        """
        self.launch()
        self.wait(within_s)
        return self

    def launch(self) -> None:
        """Start it without waiting: a node alone does not serve when a quorum needs others."""
        jars = class_path()
        if not self._formatted:
            self._format(jars)
        self._starts_before = self._starts()
        # The kernel ends it with us, should we be killed.
        command = ["setpriv", "--pdeathsig", "KILL", *_java(jars, self._heap), "kafka.Kafka",
                   str(self._config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.folder)

    def wait(self, within_s: float = 180.0) -> None:
        """Return when it serves; raises as `start`."""
        deadline = time.monotonic() + within_s
        while self._starts() == self._starts_before:
            if not self.runs() or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the broker does not start: {self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in its own way, or within 20 s by force."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def freeze(self) -> None:
        """Stop its processor time: connections stay open and nothing answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """End a freeze."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def runs(self) -> bool:
        """Whether it was started and not ended."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()

    def _format(self, jars: str) -> None:
        users = [argument for user, password in self._users.items() for argument in
                 ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")]
        done = subprocess.run(
            [*_java(jars, "-Xmx128m"), "kafka.tools.StorageTool", "format", "-g",
             "-t", self._cluster_id, "-c", str(self._config), *users],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, cwd=self.folder)
        if done.returncode:
            raise RuntimeError(f"formatting failed: {done.stdout}{done.stderr}")
        self._formatted = True

    def _starts(self) -> int:
        return self.log.read_text().count(_STARTED) if self.log.exists() else 0


def _java(jars: str, heap: str) -> list[str]:
    return ["java", heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}", "-cp", jars]
