"""One tree of errors. The web maps it to problem+json, the command line to exit codes."""

from __future__ import annotations


class FairreelError(Exception):
    """Root of all errors that this project raises on purpose."""


class StoreUnavailable(FairreelError):
    """A database cannot take the work now (full, locked, gone). Nothing was half-written."""

    def __init__(self, message: str, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LogTaken(StoreUnavailable):
    """Another process writes to the embedded log of this database."""


class BusUnavailable(FairreelError):
    """The message bus does not answer."""


class PartlyPublished(BusUnavailable):
    """The bus took some messages of a batch; `unpublished` are the places of the others in it."""

    def __init__(self, message: str, unpublished: frozenset[int]) -> None:
        super().__init__(message)
        self.unpublished = unpublished


class EventsLeftBehind(FairreelError):
    """The bus was changed while the one before still held events to apply."""


class InvalidField(FairreelError):
    """A value is not acceptable; names the field."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class NotFound(FairreelError):
    """A film, user, trace or model that does not exist."""


class RolloutConflict(FairreelError):
    """The rollout is not what the change was made for: somebody else changed it, or one runs."""


class ModelRefused(FairreelError):
    """A model file failed verification or is not on the allow-list; it was not unpickled.

    `cause` is a short word for the metric: unsigned, signature, hash, extra_file, not_allowed,
    missing, not_regular, too_large, schema, unreadable (intact, but this code cannot load it).
    """

    def __init__(self, version_id: str, cause: str, message: str) -> None:
        super().__init__(f"model {version_id} refused: {message}")
        self.version_id = version_id
        self.cause = cause


class UnusableKey(FairreelError):
    """A private signing key is missing, or is not that of the public key beside it."""


class NothingToTrainOn(FairreelError):
    """The snapshot holds too little to fit a model."""


class LeaseLost(FairreelError):
    """Another holder took the job's lease; the result must not be published."""


class UnreadableImport(FairreelError):
    """An import source is not in a known layout; names the file."""


class SnapshotDamaged(FairreelError):
    """A file of a snapshot is missing or not the one that was written."""


class SnapshotsUnavailable(FairreelError):
    """The place of the snapshots does not answer."""
