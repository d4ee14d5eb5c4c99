"""Which models may be loaded, and who may train."""

from __future__ import annotations

from typing import Protocol

from recommender.types import ModelRecord, ModelStatus, ServingChoice


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

    def choice(self) -> ServingChoice | None:
        """What was chosen to serve, None before the first choice."""
        ...

    def serve(self, version_id: str, at_ms: int, fencing: tuple[str, int] | None = None,
              choice: ServingChoice | None = None) -> ModelRecord:
        """Make it the serving one; the one before becomes PREVIOUS, an older previous AVAILABLE.

        A `choice` given is noted with it, at once or not at all.

        Raises:
            NotFound: no such model.
            ModelRefused: it is refused or retired.
            LeaseLost: as for register.
        """
        ...

    def serve_trained(self, version_id: str, at_ms: int, before: str | None,
                      fencing: tuple[str, int]) -> ModelRecord:
        """Serve a model that passed the gate, unless someone chose otherwise meanwhile.

        Left alone are a model that is held, one of another name than the chosen one, and, while
        trainings choose, one that serves since after the training began; and each while a rollout
        compares it with another. Returns its record: its status tells whether it serves.

        Args:
            version_id: the new model.
            before: version id of the model that served when the training began.
            fencing: the lease of the training.

        Raises:
            NotFound, ModelRefused, LeaseLost: as for serve.
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
