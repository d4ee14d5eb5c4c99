"""A page whose server is gone says so, and says when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.program import Program
from tests.browser.test_visitor_journeys import cards, pick, star, titles
from tests.browser.watched import WITHIN_MS
from tests.running_server import Home, prepared_home

pytestmark = pytest.mark.needs_tool("chromium")


@pytest.fixture
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return prepared_home(tmp_path_factory.mktemp("home-that-goes"))


@pytest.fixture
def own_program(own_home: Home) -> Iterator[Program]:
    with own_home.program().start() as program:
        yield program


@pytest.fixture
def page(browser: Browser, own_program: Program) -> Iterator[Page]:
    with closing(browser.new_context(base_url=own_program.address)) as context:
        page = context.new_page()
        page.set_default_timeout(WITHIN_MS)
        yield page


def test_a_stopped_server_shows_as_a_notice_that_goes_when_it_is_back(
    page: Page, own_program: Program
) -> None:
    notice = page.get_by_role("alert")
    pick(page, 3)
    before = titles(page)
    expect(notice).to_have_count(0)
    assert own_program.terminate() == 0
    star(cards(page).first, 5).click()
    expect(notice).to_contain_text("offline")
    assert titles(page) == before
    own_program.start()
    star(cards(page).first, 5).click()
    expect(cards(page).first.get_by_role("heading")).not_to_have_text(before[0])
    expect(notice).to_have_count(0)
