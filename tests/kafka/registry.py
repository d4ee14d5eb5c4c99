"""A real schema registry (Apicurio, Confluent's API) on a free port of 127.0.0.1."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ports import free_port

VERSION = "3.0.9"
"""The newest for Java 17."""
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
_KEPT = Path.home() / ".m2" / f"fairreel-apicurio-{VERSION}"
_READY_S = 90.0


def registry_jar() -> Path:
    """The program; the first call on a machine downloads it (104 MB), others wait meanwhile.

    Raises:
        RuntimeError: Maven failed.
    """
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _jar()
        if found is None:
            print("\nSchema registry for the tests: 104 MB from Maven Central, once",
                  file=sys.__stderr__)
            for part in _KEPT.glob("*.tar.gz"):
                part.unlink()  # left by a run that was ended
            done = subprocess.run(
                ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={_ARTIFACT}",
                 f"-DoutputDirectory={_KEPT}"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"mvn failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
            (packed,) = _KEPT.glob("*.tar.gz")
            with tarfile.open(packed) as archive:
                archive.extractall(_KEPT, filter="data")
            packed.unlink()
            found = _jar()
    assert found is not None
    return found


def _jar() -> Path | None:
    found = sorted(_KEPT.glob("**/apicurio-registry-app-*-runner.jar"))
    return found[0] if found and not list(_KEPT.glob("*.tar.gz")) else None


@contextmanager
def schema_registry_server(folder: Path) -> Iterator[str]:
    """The URL of the API; ended by its pid."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    log = folder / "registry.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            ["java", "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
             "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}",
             "-jar", str(registry_jar())],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=folder)
    try:
        _wait(process, f"{url}/subjects", log)
        yield url
    finally:
        process.kill()
        process.wait(20)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (OSError, urllib.error.URLError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no schema registry:\n{log.read_text()[-2000:]}") from error
            time.sleep(0.3)
