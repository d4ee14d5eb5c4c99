"""The one frame of all pages: layout, menus, fragments, problems as pages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, redirect, render_template, session, url_for
from jinja2 import StrictUndefined
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from recommender.rerank.chain import in_words
from web.errors import ProblemError
from web.operations import Operation, RouteTable, Who
from web.pages import forms
from web.pages.done import Done
from web.pages.sessions import visitor
from web.request_context import this_request

FRAGMENT_HEADER = "X-Fragment"
_NOTICE = "notice"
_FIRST = "discovery.discovery"
_TITLES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Please log in", HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.CONFLICT: "Not as things are",
    HTTPStatus.UNPROCESSABLE_ENTITY: "That value does not fit",
    HTTPStatus.TOO_MANY_REQUESTS: "A little too fast",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not just now",
}
_DASH = "\u2013"


def page(template: str, status: int = 200, **values: Any) -> Response:
    """A page, or the block of it that the script asked for by name to put it in place."""
    wanted = this_request().headers.get(FRAGMENT_HEADER)
    # Taken here for fragments too: else it would show up later, on a page it says nothing of.
    told = _take_notice()
    if wanted is None:
        return _html(render_template(template, notice=told, **values), status)
    found = current_app.jinja_env.get_template(template)
    block = found.blocks.get(wanted)
    if block is None:
        raise ProblemError(400, f"{FRAGMENT_HEADER}: this page has no part named so")
    current_app.update_template_context(values)
    text = "".join(block(found.new_context(values)))
    if told is not None:
        text += str(Markup('<span data-tell="{}" hidden></span>').format(told))
    return _html(text, status)


def _html(text: str, status: int) -> Response:
    # A page tells of one person at one moment: no cache may give it to another.
    return Response(text, status, {"Cache-Control": "no-store"}, mimetype="text/html")


def see(endpoint: str, **values: Any) -> AnyResponse:
    """After a form: to the page that shows what came of it (303, so that reloading is safe)."""
    return redirect(url_for(endpoint, **values), 303)


def see_done(done: Done, endpoint: str, **values: Any) -> AnyResponse:
    """After a visitor's form. What does not count yet, the page says itself until it does."""
    if done.applied:
        notice(done.text)
    return see(endpoint, **values)


def notice(text: str) -> None:
    """Tell this once, on the next page."""
    session[_NOTICE] = text


def _take_notice() -> str | None:
    told: str | None = session.pop(_NOTICE, None)
    return told


def is_fragment() -> bool:
    """Whether the script asks, and wants a part of a page instead of a redirection."""
    return FRAGMENT_HEADER in this_request().headers


class Frame:
    """What every template may use: `ui`, the components, and who is logged in, as `admin`."""

    def __init__(self, app: Flask, table: RouteTable) -> None:
        self._app = app
        self._table = table
        app.jinja_env.undefined = StrictUndefined
        app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
        app.jinja_env.filters.update(
            moment=moment, number=number, share=share, duration=duration, strengths=strengths,
            ticked=ticked, sentence=sentence)
        app.context_processor(self._values)
        # Global, so that they are there in a block that is rendered alone, as a fragment.
        app.jinja_env.globals["csrf_token"] = forms.token
        app.jinja_env.globals["ui"] = app.jinja_env.get_template("components.html").module

    def problem(self, problem: ProblemError) -> AnyResponse:
        """An error as a page; to the login when that is what is missing."""
        request = this_request()
        if problem.status == HTTPStatus.UNAUTHORIZED and request.method == "GET":
            return redirect(url_for("login.login", next=request.full_path.rstrip("?")), 303)
        wait_s = problem.headers.get("Retry-After")
        shown = request.method == "GET" and not is_fragment()
        # Whole, also for the script: it tells what the page says.
        answer = _html(
            render_template("problem.html", problem=problem, request_id=request.request_id,
                            title=_title(problem.status), notice=None,
                            wait_s=wait_s, shown=shown),
            problem.status)
        answer.headers.extend(problem.headers)
        if shown and wait_s is not None:
            answer.headers["Refresh"] = wait_s
        return answer

    def _values(self) -> dict[str, Any]:
        request = this_request()
        in_admin = request.path.startswith("/admin")
        return {
            "asset": self._asset,
            "visitor": visitor(),
            # As the access check found it: a page about a store that is away reads no store.
            "admin": request.key if in_admin else None,
            "menu": self._menu(Who.ADMIN if in_admin else Who.CLIENT),
            "path": request.path,
            "in_admin": in_admin,
            "has_visitors": _FIRST in self._table.pages,
        }

    def _menu(self, who: Who) -> list[Operation]:
        return [o for o in self._table.operations if o.menu is not None and o.who is who]

    def _asset(self, name: str) -> str:
        folder = self._app.static_folder
        assert folder is not None
        return url_for("static", filename=name, v=_digest(Path(folder) / name))


def _title(status: int) -> str:
    """What a status means to somebody who reads no RFC."""
    return _TITLES.get(status, HTTPStatus(status).phrase)


@lru_cache
def _digest(file: Path) -> str:
    """A part of the address that changes with the content, so that it can be kept for ever."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def moment(at_ms: int | None, seconds: bool = True) -> str:
    """UTC milliseconds as people read them, in one line; for machines too."""
    if at_ms is None:
        return "never"
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    shown = f"{at:%Y-%m-%d %H:%M:%S}" if seconds else f"{at:%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{}">{} UTC</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", shown)


def minute(at_ms: int) -> str:
    """UTC milliseconds as plain text, to the minute."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def ticked(text: str) -> str:
    """A text for people in which `code` stands between backticks."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 and at < len(parts) - 1 else part
        for at, part in enumerate(parts))


def sentence(text: str) -> str:
    """A text for people as a sentence; the name of a field at its beginning stays small."""
    first = text.split(" ", 1)[0]
    ended = text if text.endswith((".", "!", "?")) else f"{text}."
    return ended[:1].upper() + ended[1:] if first.isalpha() else ended


def strengths(chain: Mapping[str, float] | None) -> str:
    """Rerankers with their strengths, as people read them."""
    return in_words(chain or {}).replace("_", " ") or "nothing"


def number(value: float | None, digits: int = 0) -> str:
    """A number with thin groups of thousands; a dash for None."""
    return _DASH if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")


def share(value: float | None, digits: int = 1) -> str:
    """A share of one in percent; a dash for None."""
    return _DASH if value is None else f"{value:.{digits}%}"


def duration(seconds: float | None) -> str:
    """A time span in one unit; a dash for None."""
    if seconds is None:
        return _DASH
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for unit, size, below in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < below:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"
