"""How each kind of person gets to the pages."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page


class Person(StrEnum):
    """Who opens a page."""

    NEW = "a new visitor"
    KNOWN = "a visitor with a history"
    ADMIN = "an administrator"


class People:
    """Makes browser contexts of some person, who has signed in once for all of them.

    `address` is that of the program, `admin_secret` an administrator's key, `known_user` a user
    of its data.
    """

    def __init__(self, browser: Browser, address: str, admin_secret: str, known_user: str
                 ) -> None:
        self.address = address
        self.admin_secret = admin_secret
        self.known_user = known_user
        self._browser = browser
        self._kept: dict[Person, Any] = {}

    def context(self, person: Person, **options: Any) -> BrowserContext:
        """A context of its own; `options` are those of a browser context, as `viewport`."""
        if person not in self._kept:
            self._kept[person] = self._signed_in(person)
        return self._browser.new_context(
            base_url=self.address, storage_state=self._kept[person], **options)

    def cookie(self, person: Person) -> str:
        """The header that this person's browser sends, empty without one."""
        with closing(self.context(person)) as context:
            return "; ".join(f"{kept['name']}={kept['value']}" for kept in context.cookies())

    def _signed_in(self, person: Person) -> Any:
        with closing(self._browser.new_context(base_url=self.address)) as context:
            if person is Person.ADMIN:
                log_in(context.new_page(), self.admin_secret)
            elif person is Person.KNOWN:
                become(context.new_page(), self.known_user)
            return context.storage_state()


def log_in(page: Page, secret: str) -> None:
    """Log in to the administrators' pages."""
    fill_login(page, secret)
    page.wait_for_url("**/admin")


def fill_login(page: Page, secret: str) -> None:
    """Fill the login form and send it."""
    page.goto("/admin/login")
    page.get_by_label("Administrator's key").fill(secret)
    page.get_by_role("button", name="Log in").click()


def become(page: Page, user_id: str) -> None:
    """Go by a user of the data, as is possible in development."""
    page.goto("/")
    page.get_by_text("Or look through the eyes of a user of the data").click()
    page.get_by_label("User id").fill(user_id)
    page.get_by_role("button", name="Show this user's films").click()
    page.get_by_text(f"You are {user_id} now.").wait_for()
