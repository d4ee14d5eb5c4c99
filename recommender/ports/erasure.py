"""Taking a person out of where the service stores one."""

from __future__ import annotations

from typing import Protocol


class ErasesUser(Protocol):
    """A place that holds rows of people."""

    def erase(self, user_id: str, at_ms: int) -> dict[str, int]:
        """Remove all of this user; how many rows of each kind. Safe to repeat.

        Raises:
            StoreUnavailable: some may be gone; repeat it.
        """
        ...


class StoreErasure(ErasesUser, Protocol):
    """The event store, which also remembers (by a keyed hash) who was taken out."""

    def begin(self, user_id: str, at_ms: int) -> str:
        """From now on events of this user up to now are not applied; the digest of the user.

        Begun again, the time up to which they stay away is the new one.
        """
        ...

    def erase(self, user_id: str, at_ms: int) -> dict[str, int]:
        """Remove events, state, dead letters; end the keys bound to the user; take the id out of
        the audit log. In one transaction."""
        ...

    def finish(self, digest: str, at_ms: int) -> None:
        """Nothing of the user is left."""
        ...

    def unfinished(self) -> list[str]:
        """References of those begun and not finished: to be repeated."""
        ...
