"""Making, replacing and ending API keys, each written to the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recommender.errors import FairreelError, InvalidField, NotFound
from recommender.import_values import is_id
from recommender.ports import ApiKeys, AuditLog
from recommender.types import ApiKey, AuditEntry, Role


class LastAdminKey(FairreelError):
    """The only live administrator's key: ending it would lock everybody out of the pages."""


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """Acts under the name `actor`."""

    keys: ApiKeys
    audit: AuditLog
    actor: str

    def create(
        self, role: Role, name: str, at_ms: int, user_id: str | None = None,
        user_field: str = "user_id",
    ) -> tuple[ApiKey, str]:  # fmt: skip
        """A new key and its secret. `user_field` is what people call the user in their form.

        Raises:
            InvalidField: a user was bound to an admin key, or is no valid id.
        """
        if user_id is not None and role is not Role.CLIENT:
            raise InvalidField(user_field, "only a client key can be bound to a user")
        if user_id is not None and not is_id(user_id):
            raise InvalidField(user_field, f"{user_id!r:.60} is not an id")
        key, secret = self.keys.create(role, name, at_ms, user_id)
        self._note(at_ms, "key_create", key.key_id, "done", role.value)
        return key, secret

    def revoke(self, key_id: str, at_ms: int, keep_an_admin: bool = False) -> None:
        """End a key.

        Raises:
            NotFound: no live key of this id.
            LastAdminKey: with `keep_an_admin`, when it is the last of its kind.
        """
        if keep_an_admin and is_last_admin(self.keys.keys(), key_id):
            self._note(at_ms, "key_revoke", key_id, "refused", "the last live admin key")
            raise LastAdminKey("this is the last live administrator's key; make another one first")
        done = self.keys.revoke(key_id, at_ms)
        self._note(at_ms, "key_revoke", key_id, "done" if done else "not_found")
        if not done:
            raise NotFound(f"no live key {key_id}")

    def rotate(self, key_id: str, at_ms: int, end_old: bool = True) -> tuple[ApiKey, str]:
        """A new key with the role, name and user of `key_id`, which ends unless told otherwise.

        The new one comes first: a failure in between leaves two live keys, never none.

        Raises:
            NotFound: no live key of this id.
        """
        old = next((key for key in self.keys.keys() if key.key_id == key_id), None)
        if old is None or old.revoked_at_ms is not None:
            raise NotFound(f"no live key {key_id}")
        created = self.create(old.role, old.name, at_ms, old.user_id)
        if end_old:
            self.revoke(key_id, at_ms)
        return created

    def _note(self, at_ms: int, action: str, key_id: str, outcome: str, detail: str = "") -> None:
        self.audit.append(AuditEntry(at_ms, self.actor, action, key_id, outcome, detail))


def is_last_admin(keys: Sequence[ApiKey], key_id: str) -> bool:
    """Whether no other live key is an administrator's."""
    live = {k.key_id for k in keys if k.role is Role.ADMIN and k.revoked_at_ms is None}
    return live == {key_id}
