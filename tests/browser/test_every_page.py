"""What holds for every page of the route table, also for pages that are added later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize

from benchmarks.browser import DESK, PHONE
from benchmarks.people import People, Person
from benchmarks.program import Program
from benchmarks.visits import Visit, example_values, visits
from tests.browser.accessibility import grave_violations
from tests.browser.watched import Watch, watched_page

pytestmark = pytest.mark.needs_tool("chromium")
# What changes with the colours alone.
_OF_COLOURS = ("color-contrast", "link-in-text-block")


@dataclass(frozen=True)
class Look:
    """A page in a window: pixels of content and of the window across, and what axe found."""

    name: str
    content_px: int
    window_px: int
    violations: list[str]


@dataclass(frozen=True)
class Seen:
    """What one visit showed; `plain` is without scripts."""

    visit: Visit
    status: int
    headings: list[str]
    title: str
    watch: Watch
    looks: list[Look]
    plain_status: int
    plain_headings: list[str]


@pytest.fixture(scope="module")
def contexts(people: People) -> Iterator[Callable[[Person, bool], BrowserContext]]:
    """One context for each person, with scripts and one without: opening pages changes nothing."""
    with ExitStack() as made:
        @cache
        def context(person: Person, scripts: bool) -> BrowserContext:
            return made.enter_context(
                closing(people.context(person, viewport=DESK, java_script_enabled=scripts)))

        yield context


@pytest.fixture(scope="module")
def examples(program: Program, people: People) -> dict[str, str]:
    return example_values(program, people)


@pytest.fixture(scope="module", params=visits(), ids=str)
def seen(request: pytest.FixtureRequest, program: Program, examples: Mapping[str, str],
         contexts: Callable[[Person, bool], BrowserContext]) -> Seen:
    """One page in two widths and two colour schemes, then again without scripts."""
    visit: Visit = request.param
    address, home = visit.address(examples), program.address
    with watched_page(contexts(visit.person, True), home) as (page, watch):
        status = _open(page, address)
        headings, title = page.locator("h1").all_inner_texts(), page.title()
        looks = [_look(page, *each) for each in (("desk", DESK), ("phone", PHONE))]
    with watched_page(contexts(visit.person, False), home) as (plain, _):
        plain_status = _open(plain, address)
        plain_headings = plain.locator("h1").all_inner_texts()
    return Seen(visit, status, headings, title, watch, looks, plain_status, plain_headings)


def _look(page: Page, name: str, window: ViewportSize) -> Look:
    page.set_viewport_size(window)
    page.emulate_media(color_scheme="light")
    content_px, window_px = page.evaluate(
        "[document.documentElement.scrollWidth, window.innerWidth]")
    violations = [f"{name}, light: {line}" for line in grave_violations(page)]
    page.emulate_media(color_scheme="dark")
    violations += [f"{name}, dark: {line}" for line in grave_violations(page, _OF_COLOURS)]
    return Look(name, content_px, window_px, violations)


def _open(page: Page, address: str) -> int:
    answer = page.goto(address)
    assert answer is not None
    return answer.status


def test_it_opens_with_one_heading_of_the_first_rank_and_a_title(seen: Seen) -> None:
    assert seen.status == seen.visit.status
    assert len(seen.headings) == 1 and seen.headings[0].strip()
    assert seen.title.endswith("Fairreel") and not seen.title.startswith((" ", "·"))


def test_it_breaks_no_policy_and_says_no_error_on_the_console(seen: Seen) -> None:
    assert seen.watch.complaints == []
    assert seen.watch.failed == [] or seen.visit.status != 200


def test_it_asks_nobody_else_for_anything(seen: Seen) -> None:
    assert seen.watch.elsewhere == []


def test_it_does_not_scroll_sideways(seen: Seen) -> None:
    for look in seen.looks:
        assert look.content_px <= look.window_px, look.name


def test_axe_finds_nothing_serious_in_two_widths_light_and_dark(seen: Seen) -> None:
    assert [line for look in seen.looks for line in look.violations] == []


def test_it_works_without_scripts(seen: Seen) -> None:
    assert seen.plain_status == seen.visit.status
    assert seen.plain_headings == seen.headings
