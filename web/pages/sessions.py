"""Who sits in front of the pages: a signed cookie, read and written for pages alone.

The calls of the API are known by their keys and never touch the cookie: reading it would cost
each of them some microseconds, and a cookie must not open what a key opens.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask, Request, Response, session
from flask.sessions import SecureCookieSessionInterface, SessionMixin

from recommender.ports import ApiKeys
from recommender.types import ApiKey, Role
from web.services import WebOptions

COOKIE = "fairreel"
_KEY_ID, _SINCE_MS, _VISITOR = "key_id", "since_ms", "visitor"


class PageSessions(SecureCookieSessionInterface):
    """Sessions for the paths that `is_page` names; none for all others."""

    def __init__(self, is_page: Callable[[str], bool]) -> None:
        self._is_page = is_page

    def open_session(self, app: Flask, request: Request) -> Any:
        """The session of a page; a null session, which refuses to be written, elsewhere."""
        if not self._is_page(request.path):
            return self.make_null_session(app)
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie when it changed."""
        if not self.is_null_session(session):
            super().save_session(app, session, response)


def configure(app: Flask, options: WebOptions, is_page: Callable[[str], bool]) -> None:
    """Make `app` keep its sessions so."""
    app.session_interface = PageSessions(is_page)
    app.config.update(
        SECRET_KEY=options.session_secret,
        SESSION_COOKIE_NAME=COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=options.cookies_secure,
        SESSION_REFRESH_EACH_REQUEST=False,
        WTF_CSRF_TIME_LIMIT=None,  # a form is good for as long as its session
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=options.session_s),
    )


class AdminSession:
    """An administrator's session: it names an API key and lasts as long as that key does."""

    def __init__(self, keys: ApiKeys, now_ms: Callable[[], int], session_s: int) -> None:
        self._keys = keys
        self._now_ms = now_ms
        self._session_ms = session_s * 1000

    def verify(self, secret: str) -> ApiKey | None:
        """The administrator's key of this secret, None when it is none."""
        key = self._keys.verify(secret)
        return key if key is not None and key.role is Role.ADMIN else None

    def begin(self, key: ApiKey) -> None:
        """Log in with this key."""
        visitor = session.get(_VISITOR)
        session.clear()  # another CSRF token too: nothing of before the login counts after it
        if visitor is not None:
            session[_VISITOR] = visitor
        session[_KEY_ID], session[_SINCE_MS] = key.key_id, self._now_ms()
        session.permanent = True

    def end(self, key: ApiKey) -> None:
        """Log out everywhere: a copy of the cookie must not outlive it.

        Raises:
            StoreUnavailable: the logout could not be written.
        """
        self._keys.end_sessions(key.key_id, self._now_ms())
        session.clear()

    def key(self) -> ApiKey | None:
        """The live key of this session, None when nobody is logged in.

        Raises:
            StoreUnavailable: the keys cannot be read.
        """
        key_id, since_ms = session.get(_KEY_ID), session.get(_SINCE_MS)
        if key_id is None or since_ms is None:
            return None
        if self._now_ms() - since_ms > self._session_ms:
            return None
        return next((key for key in self._keys.keys()
                     if key.key_id == key_id and key.role is Role.ADMIN
                     and key.revoked_at_ms is None
                     and since_ms > (key.sessions_ended_ms or 0)), None)


def visitor() -> str | None:
    """The user id that this visitor goes by, None before the first choice."""
    chosen: str | None = session.get(_VISITOR)
    return chosen


def become(user_id: str | None) -> None:
    """Go by this user id from now on; None forgets it."""
    if user_id is None:
        session.pop(_VISITOR, None)
    else:
        session[_VISITOR] = user_id
        session.permanent = True
