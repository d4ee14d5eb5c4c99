"""How Kafka's clients log in: options of kafka-python from plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLAINTEXT, SSL = "PLAINTEXT", "SSL"
SASL_PLAINTEXT, SASL_SSL = "SASL_PLAINTEXT", "SASL_SSL"


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """Protocol, and what it asks for.

    `username` and `password` are for the SASL protocols; `ca_file` (PEM) for SASL_SSL and SSL,
    None trusts the authorities of the system; `certificate_file` and `key_file` (PEM) are the
    client's own, for mutual TLS.
    """

    protocol: str = PLAINTEXT
    mechanism: str = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)

    def options(self) -> dict[str, Any]:
        """As kafka-python's clients take them."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.protocol in (SASL_PLAINTEXT, SASL_SSL):
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        if self.protocol in (SSL, SASL_SSL):
            options |= {
                "ssl_check_hostname": True,
                "ssl_cafile": _text(self.ca_file),
                "ssl_certfile": _text(self.certificate_file),
                "ssl_keyfile": _text(self.key_file),
                "ssl_password": self.key_password,
            }
        return options

    def files(self) -> list[Path]:
        """Those that the protocol reads."""
        if self.protocol not in (SSL, SASL_SSL):
            return []
        named = (self.ca_file, self.certificate_file, self.key_file)
        return [file for file in named if file is not None]


def _text(file: Path | None) -> str | None:
    return None if file is None else str(file)
