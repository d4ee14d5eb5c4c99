"""What docker-compose.yml says, moved to free ports and folders of this machine."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from benchmarks.ports import free_port
from tests.kafka.node import Node
from tests.programs_of_system import program

ROOT = Path(__file__).parent.parent
PROFILES = ("three-brokers", "sasl")
SECRETS = {"DATABASE_PASSWORD": "of-the-database", "KAFKA_PASSWORD": "of-kafka",
           "KAFKA_OPERATOR_PASSWORD": "of-the-operator"}
_SEPARATORS = {"_": ".", "__": "_", "___": "-"}
_ADDRESS = re.compile(r"(?<![a-zA-Z0-9.-])([a-z][a-z0-9-]*|):(\d{4})\b")


@cache
def configuration() -> dict[str, Any]:
    """The file with all profiles as docker-compose understands it; it refuses what is wrong."""
    done = subprocess.run(
        [program("docker-compose"), "-f", str(ROOT / "docker-compose.yml"), "config"],
        env={**os.environ, **SECRETS, "COMPOSE_PROFILES": ",".join(PROFILES)},
        capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


def services() -> dict[str, dict[str, Any]]:
    """Those of the file, by name."""
    found: dict[str, dict[str, Any]] = configuration()["services"]
    return found


def environment(service: str) -> dict[str, str]:
    """Of a service; all values are texts, as for the process."""
    return {name: str(value) for name, value in services()[service]["environment"].items()}


class Moved:
    """Addresses and folders of containers, and what stands for them here. `ports` are of servers
    that run already, by (service, port)."""

    def __init__(self, folder: Path, ports: Mapping[tuple[str, int], int] | None = None) -> None:
        self.folder = folder
        self._ports = dict(ports or {})

    def port(self, service: str, inside: int) -> int:
        """The port here of a port of a service."""
        return self._ports.setdefault((service, inside), free_port())

    def text(self, text: str, service: str) -> str:
        """A value of a service with the addresses and folders of this machine."""

        def address(found: re.Match[str]) -> str:
            host = found[1] if found[1] in services() else service
            return f"127.0.0.1:{self.port(host, int(found[2]))}"

        moved = _ADDRESS.sub(address, text)
        for inside in ("/var/lib/kafka/data", "/data", "/certificates"):
            own = service if inside != "/certificates" else "all"
            moved = re.sub(rf"(?<![\w/]){inside}\b", f"{self.folder}/{own}{inside}", moved)
        return moved

    def node(self, service: str, properties: str | None = None,
             users: Mapping[str, str] | None = None) -> Node:
        """A broker as the service describes it, not started."""
        values = environment(service)
        text = properties if properties is not None else properties_of(values)
        return Node(self.folder / service, self.text(text, service), users,
                    values["KAFKA_HEAP_OPTS"], values["CLUSTER_ID"])

    def settings(self, service: str) -> dict[str, str]:
        """Settings of an application, names without prefix in lower case; it listens here only."""
        prefix = "FAIRREEL_"
        found = {name.removeprefix(prefix).lower(): self.text(value, service)
                 for name, value in environment(service).items() if name.startswith(prefix)}
        return found | ({"host": "127.0.0.1"} if "host" in found else {})


def properties_of(values: Mapping[str, str]) -> str:
    """server.properties as the image apache/kafka makes it of its environment."""
    lines = []
    for name, value in values.items():
        if name.startswith("KAFKA_") and not name.endswith("_OPTS"):
            key = name.removeprefix("KAFKA_").lower()
            key = re.sub("_{1,3}", lambda found: _SEPARATORS[found[0]], key)
            lines.append(f"{key}={value}")
    return "\n".join(lines) + "\n"
