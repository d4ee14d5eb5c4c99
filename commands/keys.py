"""`keys`: who may call what."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clock import now_ms
from commands.outcome import emit, json_option
from recommender.errors import InvalidField, NotFound
from recommender.import_values import is_id
from recommender.ports import ApiKeys, AuditLog
from recommender.types import ApiKey, AuditEntry, Role

if TYPE_CHECKING:
    from composition import StoreSide

ACTOR = "command line"


def create_key(
    keys: ApiKeys, audit: AuditLog, role: Role, name: str, at_ms: int, user_id: str | None = None
) -> tuple[ApiKey, str]:
    """A new key and its secret.

    Raises:
        InvalidField: a user was bound to an admin key, or is no valid id.
    """
    if user_id is not None and role is not Role.CLIENT:
        raise InvalidField("--user", "only a client key can be bound to a user")
    if user_id is not None and not is_id(user_id):
        raise InvalidField("--user", f"{user_id!r:.60} is not an id")
    key, secret = keys.create(role, name, at_ms, user_id)
    audit.append(AuditEntry(at_ms, ACTOR, "key_create", key.key_id, "done", role.value))
    return key, secret


def revoke_key(keys: ApiKeys, audit: AuditLog, key_id: str, at_ms: int) -> None:
    """End a key.

    Raises:
        NotFound: no live key of this id.
    """
    done = keys.revoke(key_id, at_ms)
    outcome = "done" if done else "not_found"
    audit.append(AuditEntry(at_ms, ACTOR, "key_revoke", key_id, outcome))
    if not done:
        raise NotFound(f"no live key {key_id}")


def rotate_key(
    keys: ApiKeys, audit: AuditLog, key_id: str, at_ms: int
) -> tuple[ApiKey, str]:
    """A new key with the role, name and user of `key_id`, which ends.

    The new one comes first: a failure in between leaves two live keys, never none.

    Raises:
        NotFound: no live key of this id.
    """
    old = next((k for k in keys.keys() if k.key_id == key_id), None)
    if old is None or old.revoked_at_ms is not None:
        raise NotFound(f"no live key {key_id}")
    created = create_key(keys, audit, old.role, old.name, at_ms, old.user_id)
    revoke_key(keys, audit, key_id, at_ms)
    return created


@click.group("keys")
def command() -> None:
    """Create, list, revoke and rotate API keys."""


@command.command("create")
@click.option("--role", type=click.Choice([r.value for r in Role]), required=True)
@click.option("--name", required=True, help="Who or what uses the key.")
@click.option("--user", help="Bind a client key to this user id.")
@json_option
def create(role: str, name: str, user: str | None, as_json: bool) -> None:
    """Make a key and print its secret, once."""
    with _open() as side:
        made = create_key(side.api_keys, side.audit, Role(role), name, now_ms(), user)
    _tell_secret(*made, as_json)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Show all keys, never their secrets."""
    with _open() as side:
        known = side.api_keys.keys()
    lines = [
        f"{k.key_id}  {k.role.value:<6}  {'revoked' if k.revoked_at_ms else 'live':<7}  {k.name}"
        + (f"  (user {k.user_id})" if k.user_id else "")
        for k in known
    ]
    emit([asdict(k) for k in known], as_json, lines or ["no keys"])


@command.command("revoke")
@click.argument("key_id")
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """End the key KEY_ID."""
    with _open() as side:
        revoke_key(side.api_keys, side.audit, key_id, now_ms())
    emit({"key_id": key_id, "revoked": True}, as_json, [f"revoked {key_id}"])


@command.command("rotate")
@click.argument("key_id")
@json_option
def rotate(key_id: str, as_json: bool) -> None:
    """Replace the key KEY_ID by a new one of the same role, name and user."""
    with _open() as side:
        made = rotate_key(side.api_keys, side.audit, key_id, now_ms())
    _tell_secret(*made, as_json)


def _open() -> closing[StoreSide]:
    from composition import open_store
    from settings import Settings

    return closing(open_store(Settings()))


def _tell_secret(key: ApiKey, secret: str, as_json: bool) -> None:
    emit(
        {**asdict(key), "secret": secret},
        as_json,
        [f"key {key.key_id} ({key.role.value}, {key.name})", f"secret, shown this once: {secret}"],
    )
