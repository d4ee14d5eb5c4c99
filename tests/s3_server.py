"""An S3 server (moto) in a process of its own, for tests that take snapshots there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

from benchmarks.ports import free_port

ACCESS = {
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip
_READY_S = 30.0


@dataclass(frozen=True, slots=True)
class S3Server:
    """Answers on 127.0.0.1; holds one bucket."""

    port: int
    bucket: str = "snapshots"

    @property
    def endpoint(self) -> str:
        """For `endpoint_url`."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str) -> int:
        """The status of a plain request."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path)
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Started on a free port with its bucket, ended by its pid."""
    server = S3Server(free_port())
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(server.port)],
        env={**os.environ, **ACCESS}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                assert server.ask("PUT", f"/{server.bucket}") == 200
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield server
    finally:
        process.kill()
        process.wait()
