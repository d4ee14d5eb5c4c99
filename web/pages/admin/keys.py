"""API keys: make, replace, end. A secret is shown once, in the answer to the form that made it."""

from __future__ import annotations

from threading import Lock
from typing import Annotated

from flask import Response
from pydantic import AfterValidator, BaseModel, Field
from werkzeug.wrappers import Response as AnyResponse

from recommender.key_changes import KeyChanges, is_last_admin
from recommender.schemas import ID_PATTERN
from recommender.types import ApiKey, Role
from web.operations import Who, page
from web.pages import frame
from web.pages.confirm import ask
from web.pages.forms import form_fields
from web.payloads import printable
from web.request_context import this_request
from web.surface import Surface

_HERE = "/admin/keys"


class CreateForm(BaseModel):
    """A new key."""

    role: Role
    name: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(printable)]
    user_id: str | None = Field(default=None, pattern=ID_PATTERN)


class KeyForm(BaseModel):
    """Which key; `keep_old` leaves the old one live beside the new one."""

    key_id: str = Field(pattern=ID_PATTERN)
    keep_old: bool = False


class KeyPages:
    """Changes go through `KeyChanges`, which writes the audit log."""

    def __init__(self, surface: Surface) -> None:
        services = surface.services
        self._keys = services.api_keys
        self._audit_log = services.audit_log
        self._now_ms = services.now_ms
        self._actor = surface.access.actor
        self._admin = surface.admin
        self._one_at_a_time = Lock()  # two revocations at once must not end the last two

    def keys(self) -> Response:
        """All keys, newest first."""
        return self._page()

    def create(self) -> Response:
        """Make a key and show its secret."""
        form = form_fields(CreateForm, this_request())
        made = self._changes().create(form.role, form.name.strip(), self._now_ms(), form.user_id)
        return self._page(made)

    def rotate(self) -> Response:
        """A new secret for the same use; the session goes on when it was this session's key."""
        form = form_fields(KeyForm, this_request())
        ends = "The old secret stays live until it is revoked." if form.keep_old else (
            "The old secret ends at once.")
        if asked := ask(f"Make a new secret for key {form.key_id}? {ends}", "Rotate", _HERE):
            return asked
        own = this_request().key
        with self._one_at_a_time:
            made = self._changes().rotate(form.key_id, self._now_ms(), not form.keep_old)
        if own is not None and own.key_id == form.key_id and not form.keep_old:
            self._admin.begin(made[0])
            this_request().key = made[0]
        return self._page(made)

    def revoke(self) -> AnyResponse:
        """End a key, but for the last administrator's."""
        form = form_fields(KeyForm, this_request())
        if asked := ask(f"End key {form.key_id}? Who uses it is refused from now on.", "Revoke",
                        _HERE):
            return asked
        with self._one_at_a_time:
            self._changes().revoke(form.key_id, self._now_ms(), keep_an_admin=True)
        frame.notice(f"Key {form.key_id} has ended.")
        return frame.see("admin_keys.keys")

    def _changes(self) -> KeyChanges:
        return KeyChanges(self._keys, self._audit_log, self._actor())

    def _page(self, made: tuple[ApiKey, str] | None = None) -> Response:
        keys = self._keys.keys()
        own = this_request().key
        return frame.page(
            "admin/keys.html", keys=keys[::-1], made=made, own=own and own.key_id,
            last_admin=next((k.key_id for k in keys if is_last_admin(keys, k.key_id)), None),
            roles=[(role.value, role.value) for role in Role],
        )  # fmt: skip


def register(surface: Surface) -> None:
    """Add these routes."""
    pages = KeyPages(surface)
    surface.table.topic("admin_keys", (
        (page("GET", _HERE, "API keys", Who.ADMIN, menu="Keys"), pages.keys),
        (page("POST", _HERE, "Make a key", Who.ADMIN), pages.create),
        (page("POST", f"{_HERE}/rotate", "A new secret for a key", Who.ADMIN), pages.rotate),
        (page("POST", f"{_HERE}/revoke", "End a key", Who.ADMIN), pages.revoke),
    ))
