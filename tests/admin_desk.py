"""A browser without scripts in front of the administrators' pages."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from recommender.types import AuditEntry, Role
from tests.web_world import World, options

SURE = {"sure": "yes"}


class Desk:
    """Pages and forms over the fakes; `log_in` begins a session under a new admin key."""

    def __init__(self, world: World | None = None, **changes: Any) -> None:
        changes.setdefault("login_limit", "1000 per minute")
        self.world = world or World(options(**changes))
        self.client: Any = self.world.app.test_client()
        self.key, self.secret = self.world.api_keys.create(
            Role.ADMIN, "ops", self.world.clock())

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=headers)

    def text(self, path: str) -> str:
        """The text of a page that must be there, without its tags."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return text_of(answer.text)

    def post(self, path: str, page: str = "/admin/login", **fields: str) -> Any:
        """Send a form with the token of `page`."""
        token = token_of(self.get(page).text)
        return self.client.post(path, data={"csrf_token": token, **fields})

    def act(self, path: str, page: str, **fields: str) -> Any:
        """Send a form that asks first, as asked and answered; then the page it leads to."""
        answer = self.post(path, page, **SURE, **fields)
        assert answer.status_code == 303, answer.text
        return self.client.get(answer.location)

    def log_in(self, secret: str | None = None, **fields: str) -> Any:
        return self.post("/admin/login", key=secret or self.secret, **fields)

    def audited(self, action: str) -> list[AuditEntry]:
        """Entries of this action, newest first."""
        return [e for e in self.world.audit_log.entries(1_000) if e.action == action]


def logged_in(**changes: Any) -> Desk:
    desk = Desk(**changes)
    assert desk.log_in().status_code == 303
    return desk


def token_of(html: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert found is not None, html
    return found[1]


def text_of(html: str) -> str:
    """What people read: no tags, one space between words."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def hidden_fields(html: str) -> dict[str, str]:
    """Hidden fields of the page's main part."""
    main = html.split("<main", 1)[1]
    return dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', main))
