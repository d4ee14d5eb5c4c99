"""A page whose server is gone says so, and says when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from benchmarks.people import People, Person
from benchmarks.program import Program
from tests.browser.test_visitor_journeys import cards, pick, star, titles
from tests.browser.watched import WITHIN_MS

pytestmark = pytest.mark.needs_tool("chromium")


@pytest.fixture
def page(people: People, program: Program) -> Iterator[Page]:
    """A new visitor's page of a program that runs again in the end."""
    with closing(people.context(Person.NEW)) as context:
        page = context.new_page()
        page.set_default_timeout(WITHIN_MS)
        yield page
    if program.process.poll() is not None:
        program.start()


def test_a_stopped_server_shows_as_a_notice_that_goes_when_it_is_back(
    page: Page, program: Program
) -> None:
    notice = page.get_by_role("alert")
    pick(page, 3)
    before = titles(page)
    expect(notice).to_have_count(0)
    assert program.terminate() == 0
    star(cards(page).first, 5).click()
    expect(notice).to_contain_text("offline")
    assert titles(page) == before
    program.start()
    star(cards(page).first, 5).click()
    expect(cards(page).first.get_by_role("heading")).not_to_have_text(before[0])
    expect(notice).to_have_count(0)
