"""Pages of a server that applies events late, or that lets one address ask only a little."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.people import People, Person
from benchmarks.program import SERVE
from tests.browser import short_minute
from tests.browser.test_visitor_journeys import cards, pick, star, titles
from tests.browser.watched import WITHIN_MS
from tests.running_server import prepared_home

pytestmark = pytest.mark.needs_tool("chromium")
# A visitor's page waits a second for what was done: under this setting that is not enough.
LATE = {"ingest_linger_s": "4"}
FEW = {"rate_limit_per_minute": "5"}
MINUTE_OVER_MS = 1000 * (short_minute.MINUTE_S + 10)


@contextmanager
def a_page(browser: Browser, folder: Path, settings: dict[str, str],
           command: tuple[str, ...] = SERVE, **options: bool) -> Iterator[Page]:
    with (prepared_home(folder).program(command, **settings).start() as program,
          closing(People(browser, program.address, "", "").context(Person.NEW, **options)) as own):
        page = own.new_page()
        page.set_default_timeout(WITHIN_MS)
        yield page


def test_a_rating_that_is_applied_late_changes_the_list_with_no_second_press(
    browser: Browser, tmp_path: Path
) -> None:
    with a_page(browser, tmp_path, LATE) as page:
        pick(page, 3)
        before = titles(page)
        star(cards(page).first, 5).click()  # within the pause after the picks
        just = page.locator(".just")
        expect(just).to_contain_text("It is kept, and will show here in a little while.")
        assert titles(page) == before
        expect(cards(page).first.get_by_role("heading")).not_to_have_text(before[0])
        expect(just).to_contain_text(f"You gave {before[0]}")
        expect(just).not_to_contain_text("in a little while")


def test_without_scripts_a_late_rating_is_said_to_come_and_one_can_look_again(
    browser: Browser, tmp_path: Path
) -> None:
    with a_page(browser, tmp_path, LATE, java_script_enabled=False) as page:
        before = pick(page, 3)
        star(cards(page).first, 5).click()
        expect(page.locator(".just")).to_contain_text("in a little while")
        time.sleep(4)
        page.get_by_role("link", name="Look again").click()
        expect(page.locator(".just")).not_to_contain_text("in a little while")
        assert before[0] not in titles(page)


def test_a_page_that_asked_too_much_says_so_and_goes_on_by_itself(
    browser: Browser, tmp_path: Path
) -> None:
    with a_page(browser, tmp_path, FEW, short_minute.SERVE) as page:
        page.goto("/search")
        word = titles(page)[0].split()[-1]
        asked: list[int] = []
        page.on("response", lambda answer: asked.append(answer.status))
        field = page.get_by_role("searchbox")
        for at in range(12):
            field.fill(f"no film {at}")
            page.wait_for_timeout(400)
        status = page.get_by_role("status")
        expect(status).to_contain_text("faster than the server lets one go")
        told = re.search(r"in (\d+) s", status.inner_text())
        assert told is not None
        assert 1 <= int(told[1]) <= short_minute.MINUTE_S
        field.fill(word)
        page.wait_for_timeout(1000)
        assert asked.count(429) == 1
        expect(cards(page).first).to_be_visible(timeout=MINUTE_OVER_MS)
        expect(status).to_contain_text(re.compile("films? found"))
        assert asked.count(429) == 1


def test_a_page_refused_as_too_fast_loads_again_when_the_minute_is_over(
    browser: Browser, tmp_path: Path
) -> None:
    with a_page(browser, tmp_path, FEW, short_minute.SERVE) as page:
        while (page.goto("/search") or pytest.fail("no answer")).status == 200:
            pass
        expect(page.get_by_role("heading", level=1)).to_have_text("A little too fast")
        expect(page.get_by_role("heading", level=1)).to_have_text("Search", timeout=MINUTE_OVER_MS)
