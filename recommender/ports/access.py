"""Keys, and what was done with them."""

from __future__ import annotations

from typing import Protocol

from recommender.review import AuditFilter, NumberedEntry, Page
from recommender.types import ApiKey, AuditEntry, Role


class ApiKeys(Protocol):
    """Keys, stored hashed."""

    def create(
        self, role: Role, name: str, at_ms: int, user_id: str | None = None
    ) -> tuple[ApiKey, str]:
        """A new key and its secret, which is shown this once."""
        ...

    def verify(self, secret: str) -> ApiKey | None:
        """The live key of this secret, None when there is none."""
        ...

    def revoke(self, key_id: str, at_ms: int) -> bool:
        """End a key; False when it is unknown or ended."""
        ...

    def end_sessions(self, key_id: str, at_ms: int) -> None:
        """End all logins with this key that began at `at_ms` or before."""
        ...

    def keys(self) -> list[ApiKey]:
        """All, also the revoked."""
        ...


class AuditLog(Protocol):
    """Administrative acts and refusals."""

    def append(self, entry: AuditEntry) -> None:
        """Write one entry; durable when it returns."""
        ...

    def entries(self, limit: int = 100) -> list[AuditEntry]:
        """Newest first."""
        ...

    def search(
        self, wanted: AuditFilter, before: int | None = None, limit: int = 50
    ) -> Page[NumberedEntry]:
        """Newest first, below the number `before`."""
        ...
