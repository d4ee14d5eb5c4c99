"""A real Kafka broker on free ports of 127.0.0.1: start it, stop it, kill it, start it again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.server import free_port
from tests.kafka.certificates import Authority
from tests.kafka.jars import class_path

_HERE = Path(__file__).parent
_CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
_STARTED = "Kafka Server started"
PASSWORD = "app-secret"
USERS = ("app", "writer")
"""Users of the SASL listeners, all with PASSWORD; what they may do is for ACLs to say."""


class Broker:
    """One node. Ports, data and certificates stay the same over restarts.

    `address` is the operator's listener; `sasl_ssl`, `sasl` and `ssl` ask for who it is.
    `authority` signs the broker's certificate and those of clients.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "broker.log"
        self.authority = Authority(folder / "certificates")
        self.authority.issue("broker")
        names = ("plain_port", "sasl_ssl_port", "sasl_port", "ssl_port", "controller_port")
        ports = {name: free_port() for name in names}
        self.address = f"127.0.0.1:{ports['plain_port']}"
        self.sasl_ssl = f"127.0.0.1:{ports['sasl_ssl_port']}"
        self.sasl = f"127.0.0.1:{ports['sasl_port']}"
        self.ssl = f"127.0.0.1:{ports['ssl_port']}"
        values = {name: str(port) for name, port in ports.items()} | {
            "data": str(folder / "data"), "certificates": str(self.authority.folder),
            "password": PASSWORD}
        text = (_HERE / "broker.properties").read_text()
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        self._config = folder / "broker.properties"
        self._config.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None
        self._formatted = False

    def start(self, within_s: float = 90.0) -> Self:
        """Start it and return when it serves.

        Raises:
            RuntimeError: it ended, or does not serve in time.
        """
        jars = class_path()
        if not self._formatted:
            self._format(jars)
        begun = self._starts()
        # The kernel ends it with us, should we be killed.
        command = ["setpriv", "--pdeathsig", "KILL", *_java(jars, "384m"), "kafka.Kafka",
                   str(self._config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.folder)
        deadline = time.monotonic() + within_s
        while self._starts() == begun:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the broker does not start: {self.log.read_text()[-3000:]}")
            time.sleep(0.05)
        return self

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
        users = [argument for user in USERS for argument in
                 ("--add-scram", f"SCRAM-SHA-512=[name={user},password={PASSWORD}]")]
        done = subprocess.run(
            [*_java(jars, "128m"), "kafka.tools.StorageTool", "format", "-g", "-t", _CLUSTER_ID,
             "-c", str(self._config), *users],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, cwd=self.folder)
        if done.returncode:
            raise RuntimeError(f"formatting failed: {done.stdout}{done.stderr}")
        self._formatted = True

    def _starts(self) -> int:
        return self.log.read_text().count(_STARTED) if self.log.exists() else 0


def _java(jars: str, memory: str) -> list[str]:
    return ["java", f"-Xmx{memory}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}", "-cp", jars]
