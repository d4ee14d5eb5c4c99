"""Log in and out of the administrators' pages, by an administrator's API key."""

from __future__ import annotations

import structlog
from flask import Response, redirect
from pydantic import BaseModel
from werkzeug.wrappers import Response as AnyResponse

from recommender.errors import StoreUnavailable
from recommender.types import AuditEntry
from web.operations import Who, page
from web.pages import frame
from web.pages.forms import form_fields
from web.request_context import this_request
from web.surface import Surface

_log = structlog.get_logger("web")
_HOME = "/admin"


class LoginForm(BaseModel):
    """What the form sends; `next` is the page that was asked for."""

    key: str = ""
    next: str = _HOME


class LoginRoutes:
    """Begins and ends sessions; every attempt is audited."""

    def __init__(self, surface: Surface) -> None:
        self._admin = surface.admin
        self._audit_log = surface.services.audit_log
        self._now_ms = surface.services.now_ms

    def login(self) -> Response:
        """The form."""
        return frame.page("login.html", next=_inside(this_request().args.get("next", _HOME)),
                          wrong=False)

    def log_in(self) -> AnyResponse:
        """Begin a session, or show the form again."""
        form = form_fields(LoginForm, this_request())
        key = self._admin.verify(form.key.strip())
        if key is None:
            self._audit_refusal()
            return frame.page("login.html", 401, next=_inside(form.next), wrong=True)
        # First: nobody gets in without an entry.
        self._audit(f"key:{key.key_id}", "done")
        self._admin.begin(key)
        return redirect(_inside(form.next), 303)

    def log_out(self) -> AnyResponse:
        """End the sessions of this key."""
        key = self._admin.key()
        if key is not None:
            self._audit(f"key:{key.key_id}", "ended")
            self._admin.end(key)
        return frame.see("login.login")

    def _audit_refusal(self) -> None:
        try:
            self._audit(f"address:{this_request().remote_addr}", "401 no administrator's key")
        except StoreUnavailable as error:  # the refusal holds without its entry
            _log.error("audit_failed", action="login", reason=str(error))

    def _audit(self, actor: str, outcome: str) -> None:
        self._audit_log.append(AuditEntry(
            self._now_ms(), actor[:128], "login", "/admin", outcome,
            f"request {this_request().request_id}"))


def _inside(address: str) -> str:
    """The address when it is one of the administrators' pages, else their first."""
    plain = address.isprintable() and "\\" not in address and "//" not in address
    is_page = address == _HOME or address.startswith(("/admin/", "/admin?"))
    return address if plain and is_page else _HOME


def register(surface: Surface) -> None:
    """Add these routes."""
    routes = LoginRoutes(surface)
    log_in = surface.limits.special(surface.options.login_limit, routes.log_in)
    surface.table.topic("login", (
        (page("GET", "/admin/login", "The login form", Who.OPEN), routes.login),
        (page("POST", "/admin/login", "Log in", Who.OPEN), log_in),
        (page("POST", "/admin/logout", "Log out", Who.OPEN), routes.log_out),
    ))
