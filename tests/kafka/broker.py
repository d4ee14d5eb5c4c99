"""The broker of the tests, on free ports of 127.0.0.1, with a listener for each way to log in."""

from __future__ import annotations

from pathlib import Path

from benchmarks.ports import free_port
from tests.kafka.certificates import Authority
from tests.kafka.node import Node

PASSWORD = "app-secret"
USERS = ("app", "writer")
"""Users of the SASL listeners, all with PASSWORD; what they may do is for ACLs to say."""
_TEMPLATE = Path(__file__).with_name("broker.properties")


class Broker(Node):
    """One node. Ports, data and certificates stay the same over restarts.

    `address` is the operator's listener; `sasl_ssl`, `sasl` and `ssl` ask for who it is.
    `authority` signs the broker's certificate and those of clients.
    """

    def __init__(self, folder: Path) -> None:
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
        text = _TEMPLATE.read_text()
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        super().__init__(folder, text, dict.fromkeys(USERS, PASSWORD))
