"""The class path of the broker: jars of Maven Central, kept under ~/.m2."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
_KEPT = Path.home() / ".m2"
_GOAL = "dependency:build-classpath"


def class_path() -> str:
    """Jars joined by colons; the first call on a machine downloads them (44 MB, 10 to 60 s).

    Raises:
        RuntimeError: Maven failed.
    """
    name = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    known = _KEPT / f"fairreel-kafka-{name}.classpath"
    if known.exists():
        found = known.read_text().strip()
        if all(Path(jar).exists() for jar in found.split(":")):
            return found
    _KEPT.mkdir(exist_ok=True)
    part = known.with_suffix(".part")
    print("\nKafka for the tests: getting jars from Maven Central, once", file=sys.__stderr__)
    maven = subprocess.Popen(
        ["mvn", "-B", "-C", "-f", str(POM), _GOAL, f"-Dmdep.outputFile={part}",
         "-DincludeScope=runtime"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    assert maven.stdout is not None
    said: list[str] = []
    downloads = 0
    for line in maven.stdout:
        said.append(line)
        if line.startswith("Downloaded"):
            downloads += 1
            print(f"\r{downloads} files", end="", file=sys.__stderr__, flush=True)
    print(file=sys.__stderr__)
    if maven.wait() != 0:
        raise RuntimeError("mvn failed:\n" + "".join(said[-30:]))
    part.replace(known)
    return known.read_text().strip()
