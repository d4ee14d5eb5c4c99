"""`keys`: who may call what."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clock import now_ms
from commands.outcome import emit, json_option
from recommender.key_changes import KeyChanges
from recommender.ports import ApiKeys, AuditLog
from recommender.types import ApiKey, Role

if TYPE_CHECKING:
    from composition import StoreSide

ACTOR = "command line"


def create_key(
    keys: ApiKeys, audit: AuditLog, role: Role, name: str, at_ms: int, user_id: str | None = None
) -> tuple[ApiKey, str]:
    """As `KeyChanges.create`, under the name of the command line."""
    return KeyChanges(keys, audit, ACTOR).create(role, name, at_ms, user_id, "--user")


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
        KeyChanges(side.api_keys, side.audit, ACTOR).revoke(key_id, now_ms())
    emit({"key_id": key_id, "revoked": True}, as_json, [f"revoked {key_id}"])


@command.command("rotate")
@click.argument("key_id")
@json_option
def rotate(key_id: str, as_json: bool) -> None:
    """Replace the key KEY_ID by a new one of the same role, name and user."""
    with _open() as side:
        made = KeyChanges(side.api_keys, side.audit, ACTOR).rotate(key_id, now_ms())
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
