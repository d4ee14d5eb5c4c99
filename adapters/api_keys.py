"""API keys, stored as SHA-256 of their secrets (`ports.ApiKeys`)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine, bindparam, func, insert, select, update

from adapters.database import reading, writing
from adapters.tables import api_keys
from recommender.types import ApiKey, Role

PREFIX = "frk_"
SECRET_BYTES = 32
_KEPT_MAX = 10_000
_FIELDS = tuple(
    api_keys.c[name] for name in ("key_id", "role", "name", "created_at_ms", "user_id",
                                  "revoked_at_ms", "sessions_ended_ms")
)  # fmt: skip
_BY_HASH = select(api_keys.c.secret_sha256, *_FIELDS).where(
    api_keys.c.secret_sha256 == bindparam("hashed")
)


class SqlApiKeys:
    """Keys in the store; live ones stay in memory for `kept_s` seconds.

    A revocation by this object counts at once, one by another process (the command line) after
    `kept_s` at the latest. A secret has 256 random bits, so a plain hash resists guessing.
    """

    def __init__(
        self, engine: Engine, kept_s: float = 1.0, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._kept_s = kept_s
        self._clock_s = clock_s
        self._kept: dict[str, tuple[float, ApiKey]] = {}

    def create(
        self, role: Role, name: str, at_ms: int, user_id: str | None = None
    ) -> tuple[ApiKey, str]:
        """As `ports.ApiKeys.create`. The secret is "frk_" and 43 URL-safe characters."""
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        key = ApiKey(secrets.token_hex(8), role, name, at_ms, user_id)
        with writing(self._engine) as connection:
            connection.execute(
                insert(api_keys).values(
                    key_id=key.key_id, secret_sha256=_hash(secret), role=role.value, name=name,
                    created_at_ms=at_ms, user_id=user_id,
                )
            )  # fmt: skip
        return key, secret

    def verify(self, secret: str) -> ApiKey | None:
        """As `ports.ApiKeys.verify`."""
        if not secret.startswith(PREFIX) or not secret.isascii():
            return None
        hashed = _hash(secret)
        known = self._kept
        kept = known.get(hashed)
        if kept is not None and self._clock_s() - kept[0] < self._kept_s:
            return kept[1]
        # Before the query: what is revoked during it must not be kept as if it were newer.
        asked_at_s = self._clock_s()
        with reading(self._engine) as connection:
            row = connection.execute(_BY_HASH, {"hashed": hashed}).first()
        # The index finds the row by its hash, of which timing tells nothing about the secret;
        # the comparison takes the same time wherever they differ.
        if row is None or not hmac.compare_digest(row[0], hashed) or row.revoked_at_ms is not None:
            known.pop(hashed, None)
            return None
        key = _key(row[1:])
        if len(known) >= _KEPT_MAX:
            known.clear()
        known[hashed] = (asked_at_s, key)
        return key

    def revoke(self, key_id: str, at_ms: int) -> bool:
        """As `ports.ApiKeys.revoke`."""
        with writing(self._engine) as connection:
            ended = connection.execute(
                update(api_keys)
                .where(api_keys.c.key_id == key_id, api_keys.c.revoked_at_ms.is_(None))
                .values(revoked_at_ms=at_ms)
            ).rowcount
        # A new dictionary: a verification under way may still write to the old one.
        self._kept = {}
        return ended > 0

    def end_sessions(self, key_id: str, at_ms: int) -> None:
        """As `ports.ApiKeys.end_sessions`."""
        later = func.coalesce(api_keys.c.sessions_ended_ms, 0) < at_ms
        with writing(self._engine) as connection:
            connection.execute(
                update(api_keys).where(api_keys.c.key_id == key_id, later)
                .values(sessions_ended_ms=at_ms)
            )  # fmt: skip

    def keys(self) -> list[ApiKey]:
        """As `ports.ApiKeys.keys`, oldest first."""
        query = select(*_FIELDS).order_by(api_keys.c.created_at_ms, api_keys.c.key_id)
        with reading(self._engine) as connection:
            return [_key(row) for row in connection.execute(query)]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: Sequence[Any]) -> ApiKey:
    key_id, role, *others = row
    return ApiKey(key_id, Role(role), *others)
