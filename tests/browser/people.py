"""How each kind of person gets to the pages."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.visits import Person
from tests.running_server import Home

KNOWN_USER = "u1"


def sign_in(page: Page, home: Home, person: Person) -> None:
    """Make this page's context that of such a person."""
    if person is Person.ADMIN:
        log_in(page, admin_secret(home))
        page.wait_for_url("**/admin")


def admin_secret(home: Home) -> str:
    """The administrator's key of this home."""
    return home.admin["Authorization"].removeprefix("Bearer ")


def log_in(page: Page, secret: str) -> None:
    """Fill the login form and send it."""
    page.goto("/admin/login")
    page.get_by_label("Administrator's key").fill(secret)
    page.get_by_role("button", name="Log in").click()
