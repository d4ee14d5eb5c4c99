"""Picking, rating, searching and taking back work with forms alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from benchmarks.people import People, Person
from tests.browser.test_visitor_journeys import cards, pick, star, titles
from tests.browser.watched import WITHIN_MS

pytestmark = pytest.mark.needs_tool("chromium")


@pytest.fixture
def plain(people: People) -> Iterator[Page]:
    with closing(people.context(Person.NEW, java_script_enabled=False)) as context:
        page = context.new_page()
        page.set_default_timeout(WITHIN_MS)
        yield page


def test_picks_ratings_and_undo_work_without_scripts(plain: Page) -> None:
    shown = pick(plain, 3)
    expect(plain.get_by_text("Because you rated").first).to_be_visible()
    star(cards(plain).first, 4).click()
    expect(plain.get_by_role("status")).to_contain_text(f"You gave {shown[0]}")
    assert shown[0] not in titles(plain)
    plain.get_by_role("link", name="Your history").click()
    expect(cards(plain)).to_have_count(4)
    assert titles(plain)[0] == shown[0]
    cards(plain).first.get_by_role("button", name=re.compile("^Undo")).click()
    expect(cards(plain)).to_have_count(3)


def test_a_search_works_without_scripts(plain: Page) -> None:
    plain.goto("/search")
    word = titles(plain)[0].split()[-1]
    plain.get_by_role("searchbox").fill(word)
    plain.get_by_role("button", name="Search").click()
    found = titles(plain)
    assert found and all(word.lower() in title.lower() for title in found)
