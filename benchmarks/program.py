"""The real program in processes of its own: start it, ask it, end it, kill it, start it again."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
SERVE = (sys.executable, "-c", "import app; app.serve()")
RUN = (sys.executable, "-m", "fairreel", "run")
PREPARE = (sys.executable, "-m", "fairreel", "prepare")
_FAILURES = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Program:
    """One program on a free port of 127.0.0.1; as a context manager it is ended at the end.

    Args:
        settings: names without prefix, in lower case, as in settings.py.
        output: file that both output streams are appended to.
        command: what starts it.
        folder: where it is started.
    """

    def __init__(self, settings: Mapping[str, str], output: Path,
                 command: Sequence[str] = SERVE, folder: Path = ROOT) -> None:
        self.port = int(settings.get("port") or free_port())
        self.address = f"http://127.0.0.1:{self.port}"
        self.output = output
        self._command = tuple(command)
        self._folder = folder
        self._settings = {"port": str(self.port), **settings}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, within_s: float = 60.0) -> Self:
        """Start it and return when it answers.

        Raises:
            RuntimeError: it ended, or did not answer in time.
        """
        self.launch()
        try:
            self._wait_for_answers(within_s)
        except BaseException:  # also when the one who waits is ended: nothing stays behind
            self.kill()
            raise
        return self

    def _wait_for_answers(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not self.answers():
            code = self.process.poll()
            if code is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no answer (exit code {code}): {self.said()[-2000:]}")
            time.sleep(0.02)

    def launch(self) -> None:
        """Start it without waiting."""
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self.environment(),
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def environment(self) -> dict[str, str]:
        """Of its process: ours, with its own settings instead of ours."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("FAIRREEL_")}
        own = {f"FAIRREEL_{name.upper()}": value for name, value in self._settings.items()}
        return inherited | own

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The first process: it supervises the worker."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process

    def answers(self) -> bool:
        """Whether it answers requests."""
        try:
            return self.ask("GET", "/health").status == 200
        except _FAILURES:
            return False

    def workers(self) -> list[int]:
        """Process ids of the workers, those that answer requests."""
        return children(self.process.pid)

    def said(self) -> str:
        """All that it has printed."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def terminate(self, within_s: float = 20.0) -> int:
        """SIGTERM to the first process; its exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end in time; it was killed.
        """
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to its whole process group; returns when the first process is gone."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def ask(self, method: str, path: str, body: object = None,
            headers: Mapping[str, str] | None = None) -> Answer:
        """One request over a connection of its own.

        Raises:
            OSError, http.client.HTTPException: no whole answer came back.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            return send(connection, method, path, body, headers)
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of a metric that carry these labels, 0 without one."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines
            if line.split("{")[0].split(" ")[0] == name and all(w in line for w in wanted)
        )

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if self.process.poll() is None and kind is None:
            self.terminate()
        self.kill()


def send(connection: http.client.HTTPConnection, method: str, path: str, body: object = None,
         headers: Mapping[str, str] | None = None) -> Answer:
    """One request over a connection that stays open; a body that is no bytes is sent as JSON.

    Raises:
        OSError, http.client.HTTPException: no whole answer came back.
    """
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    kind = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, raw, kind | dict(headers or {}))
    answer = connection.getresponse()
    named = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, named, answer.read())


def children(pid: int) -> list[int]:
    """Process ids of the living children of a process, whatever their group (Linux)."""
    return [child for child, parent in _parents() if parent == pid]


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet reaped does not (Linux)."""
    try:
        return _state(pid)[0] not in "ZX"
    except OSError:
        return False


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                state, parent = _state(int(entry.name))
                if state not in "ZX":
                    yield int(entry.name), parent


def _state(pid: int) -> tuple[str, int]:
    # The name of the program stands in brackets and may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[1])
