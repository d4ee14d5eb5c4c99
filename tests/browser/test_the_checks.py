"""The checks of all pages find what they are there for: a page that does everything wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.accessibility import grave_violations
from tests.browser.watched import Watch, watched_page

pytestmark = pytest.mark.needs_tool("chromium")
HOME = "http://fairreel.test"
WRONG = """<!doctype html><html lang="en"><title>Wrong</title>
<script>document.title = "ran"</script><img src="/gone.png">
<p style="color: #999; background: #fff">Faint</p><link rel="stylesheet" href="http://other.test/a.css">
<script src="/broken.js"></script></html>"""
POLICY = {"Content-Security-Policy": "default-src 'self'; style-src 'unsafe-inline' *"}


@pytest.fixture(scope="module")
def wrong(browser: Browser) -> Iterator[tuple[Page, Watch]]:
    with closing(browser.new_context()) as context:
        context.route("**/*", lambda route: route.fulfill(status=404, body=""))
        context.route("**/broken.js", lambda route: route.fulfill(
            body="throw new Error('it broke')", content_type="text/javascript"))
        context.route(f"{HOME}/", lambda route: route.fulfill(
            body=WRONG, content_type="text/html", headers=POLICY | {"Content-Type": "text/html"}))
        with watched_page(context, HOME) as (page, watch):
            page.goto(f"{HOME}/")
            yield page, watch


def test_an_inline_script_is_a_complaint_and_does_not_run(wrong: tuple[Page, Watch]) -> None:
    page, watch = wrong
    assert page.title() == "Wrong"
    assert any(line.startswith("policy violated: script-src") for line in watch.complaints)


def test_an_exception_is_a_complaint(wrong: tuple[Page, Watch]) -> None:
    assert any("it broke" in line for line in wrong[1].complaints)


def test_a_missing_file_and_a_request_to_somebody_else_are_noted(
    wrong: tuple[Page, Watch]
) -> None:
    assert any(f"{HOME}/gone.png" in line for line in wrong[1].failed)
    assert wrong[1].elsewhere == ["http://other.test/a.css"]


def test_axe_names_a_picture_without_a_text_and_a_faint_one(wrong: tuple[Page, Watch]) -> None:
    found = grave_violations(wrong[0])
    assert {line.split(" ")[0] for line in found} >= {"image-alt", "color-contrast"}
    assert all("color-contrast" in line for line in grave_violations(wrong[0], ["color-contrast"]))
