"""The pages for visitors over a simulated world, in memory; what the outbox takes is applied."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

from recommender.types import Event, ModelStatus, Role
from tests.recommend_site import Site
from tests.web_world import options
from web.pages import visitor_pages
from web.pages.desk import Desk, open_desk
from web.surface import Surface

PRODUCTION = options(client_keys_required=True)
WAIT_S = 0.02


class VisitorSite(Site):
    """`applies` tells whether ingest keeps up."""

    def __init__(self, *arguments: Any, **values: Any) -> None:
        self.applies = True
        self.desk: Desk
        super().__init__(*arguments, **values)
        self.outbox.on_accepted = self._ingest

    def further_topic(self, surface: Surface) -> None:
        self.desk = open_desk(surface, self.lists, self.cards, self.models)
        visitor_pages.register(self.desk)

    def log_in(self) -> None:
        """As an administrator."""
        secret = self.key(Role.ADMIN)["Authorization"].removeprefix("Bearer ")
        assert self.send("/admin/login", key=secret).status_code == 303

    def another(self) -> Any:
        """The browser of somebody else."""
        return self.app.test_client()

    def send(self, address: str, part: str | None = None, by: Any = None, **fields: Any) -> Any:
        """A form of a page, with the token of the session."""
        headers = {} if part is None else {"X-Fragment": part}
        client = by or self.client
        return client.post(address, data={"csrf_token": self.token(client), **fields},
                           headers=headers)

    def token(self, client: Any) -> str:
        page = client.get("/search?query=").text
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found, page
        return found[1]

    def become(self, user_id: str) -> None:
        assert self.send("/you/choose", user_id=user_id).status_code == 303

    def who(self, client: Any = None) -> str | None:
        with (client or self.client).session_transaction() as session:
            found: str | None = session.get("visitor")
            return found

    def _ingest(self, events: list[Event]) -> None:
        # Without forgetting what is kept of the user: ingest does so a moment after the store.
        if self.applies:
            self.apply(events)

    def add_choice(self, name: str, version_id: str,
                   status: ModelStatus = ModelStatus.AVAILABLE) -> None:
        self.add_model(version_id, status, name)


def films_on(page: str) -> list[str]:
    """Ids of the films with a heading, in order."""
    return re.findall(r'class="title"><a href="/film/([^"?]+)[?"]', page)


def told(page: str) -> str:
    """What the page says was done: announced in a part, or noted at the top."""
    whole = "<html" in page
    found = re.search(r'<p id="status"[^>]*>([^<]*)</p>' if whole else r'data-tell="([^"]*)"', page)
    return unescape(found[1]) if found else ""


def just(page: str) -> str:
    """What stands in the place for what was just done."""
    found = re.search(r'class="just"[^>]*>\s*<span>([^<]*)</span>', page)
    return unescape(found[1]) if found else ""


def problem(page: str) -> str:
    """The reason on a page that tells of a problem."""
    found = re.search(r'<p class="notice bad" role="alert">([^<]*)</p>\n', page)
    assert found, page
    return unescape(found[1])


class Elements(HTMLParser):
    """All start tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]
