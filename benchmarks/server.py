"""Start an application factory on the same server settings as the product, and end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ports import free_port

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def serving(
    factory: str, environment: Mapping[str, str], ready_path: str
) -> Iterator[tuple[str, int]]:
    """Run `factory` ("module:callable") until the block ends; yields its address and worker pid.

    Raises:
        RuntimeError: it did not answer `ready_path` within 60 s.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys, app; app.serve(sys.argv[1])", factory],
        cwd=ROOT,
        env={**os.environ, **environment, "FAIRREEL_PORT": str(port)},
        start_new_session=True,
    )
    try:
        _wait_ready(address + ready_path, process)
        yield address, _worker_pid(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"no answer from {url} within 60 s")


def _worker_pid(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return int(children[0]) if children else parent
