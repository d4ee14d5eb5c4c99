"""The secret that signs the cookies of the pages."""

from __future__ import annotations

import secrets
from pathlib import Path

from adapters.durable_file import make_once
from recommender.errors import UnusableKey

SECRET_BYTES = 32


def open_session_secret(file: Path) -> bytes:
    """Read the secret, making it (mode 0600) when it is not there.

    Raises:
        UnusableKey: the file holds less than 32 bytes.
        OSError: it cannot be read or made.
    """
    if not file.exists():
        make_once(file, secrets.token_hex(SECRET_BYTES).encode(), 0o600)
    secret = file.read_bytes().strip()
    if len(secret) < SECRET_BYTES:
        raise UnusableKey(f"{file} holds {len(secret)} bytes, a secret needs {SECRET_BYTES}")
    return secret
