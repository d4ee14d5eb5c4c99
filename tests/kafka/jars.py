"""The class path of the broker: jars of Maven Central, kept under ~/.m2."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
_KEPT = Path.home() / ".m2"
_GOAL = "dependency:build-classpath"


def class_path() -> str:
    """Jars joined by colons; the first call on a machine downloads them (44 MB, 10 s to minutes).

    Of several processes that ask at once one downloads and the others wait.

    Raises:
        RuntimeError: Maven failed.
    """
    name = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    known = _KEPT / f"fairreel-kafka-{name}.classpath"
    _KEPT.mkdir(exist_ok=True)
    with known.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _kept(known) or _download(known)


def _kept(known: Path) -> str | None:
    if not known.exists():
        return None
    found = known.read_text().strip()
    return found if all(Path(jar).exists() for jar in found.split(":")) else None


def _download(known: Path) -> str:
    part = known.with_suffix(".part")
    print("\nKafka for the tests: getting jars from Maven Central, once", file=sys.__stderr__)
    said: list[str] = []
    downloads = 0
    with subprocess.Popen(
        ["mvn", "-B", "-C", "-f", str(POM), _GOAL, f"-Dmdep.outputFile={part}",
         "-DincludeScope=runtime"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as maven:
        assert maven.stdout is not None
        for line in maven.stdout:
            said.append(line)
            if line.startswith("Downloaded"):
                downloads += 1
                print(f"\r{downloads} files", end="", file=sys.__stderr__, flush=True)
    print(file=sys.__stderr__)
    if maven.returncode != 0:
        raise RuntimeError("mvn failed:\n" + "".join(said[-30:]))
    part.replace(known)
    return known.read_text().strip()
