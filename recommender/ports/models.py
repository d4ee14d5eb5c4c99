"""Which models may be loaded, and who may train."""

from __future__ import annotations

from typing import Protocol

from recommender.types import ModelRecord, ModelStatus


class AllowList(Protocol):
    """Which models exist and which of them may be loaded; the store decides, not the files."""

    def register(self, version_id: str, name: str, status: ModelStatus, sha256: str,
                 at_ms: int, reason: str | None = None,
                 fencing: tuple[str, int] | None = None) -> ModelRecord:
        """Add a model under the next integer version.

        `fencing` = (job, token) of a lease that must still be held.

        Raises:
            LeaseLost: the fencing token is no longer the newest; nothing was written.
        """
        ...

    def records(self) -> list[ModelRecord]:
        """All, newest first."""
        ...

    def find(self, reference: str) -> ModelRecord | None:
        """By version id, by integer version, or the newest loadable of a model name."""
        ...

    def serving(self) -> ModelRecord | None:
        """The one that answers now."""
        ...

    def serve(self, version_id: str, at_ms: int,
              fencing: tuple[str, int] | None = None) -> ModelRecord:
        """Make it the serving one; the one before becomes PREVIOUS, an older previous AVAILABLE.

        Raises:
            NotFound: no such model.
            ModelRefused: it is refused or retired.
            LeaseLost: as for register.
        """
        ...

    def set_status(self, version_id: str, status: ModelStatus, at_ms: int,
                   reason: str | None = None) -> None:
        """Change the status of a model that is not serving."""
        ...


class JobLeases(Protocol):
    """At most one holder a job, by the clock of the database."""

    def acquire(self, job: str, holder: str, seconds: float) -> int | None:
        """A fencing token, greater than all before it, or None while another holds the job."""
        ...

    def renew(self, job: str, token: int, seconds: float) -> bool:
        """Prolong; False when the lease was lost."""
        ...

    def release(self, job: str, token: int) -> None:
        """Give it back; nothing happens when it was lost."""
        ...
