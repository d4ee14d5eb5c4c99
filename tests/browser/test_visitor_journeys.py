"""What visitors do, in the browser, from the first pick to taking it back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.browser import PHONE
from benchmarks.people import People, Person, become
from benchmarks.program import Program
from tests.browser.watched import watched_page

pytestmark = pytest.mark.needs_tool("chromium")


def cards(page: Page) -> Locator:
    """The films of a list."""
    return page.get_by_role("main").get_by_role("listitem").filter(
        has=page.get_by_role("group", name=re.compile("^Rate ")))


def titles(page: Page) -> list[str]:
    return cards(page).get_by_role("heading").all_inner_texts()


def star(card: Locator, n: int) -> Locator:
    return card.get_by_role("button", name=re.compile(f"^{n} stars?$"))


def pick(page: Page, n: int) -> list[str]:
    """Pick the first n of the films shown to someone new; their labels."""
    page.goto("/")
    boxes = page.get_by_role("checkbox")
    expect(boxes.nth(n)).to_be_visible()
    for at in range(n):
        boxes.nth(at).check()
    page.get_by_role("button", name="Show my films").click()
    expect(cards(page).first).to_be_visible()
    return titles(page)


def colour(star: Locator) -> str:
    return str(star.evaluate("element => getComputedStyle(element).color"))


def mark(page: Page) -> None:
    """Put a mark into this document, which a reload would lose."""
    page.evaluate("window.stayed = true")


def stayed(page: Page) -> bool:
    return bool(page.evaluate("window.stayed === true"))


@pytest.fixture
def reader(visitor: Page) -> Iterator[Page]:
    """A visitor who has picked three films and sees a list."""
    pick(visitor, 3)
    mark(visitor)
    yield visitor
    assert stayed(visitor), "the page was loaded anew"


def test_a_new_visitor_picks_films_and_sees_a_personal_list_in_the_same_page(
    visitor: Page
) -> None:
    visitor.goto("/")
    mark(visitor)
    boxes = visitor.get_by_role("checkbox")
    assert boxes.count() >= 12
    for at in (0, 3, 5):
        boxes.nth(at).check()
    visitor.get_by_role("button", name="Show my films").click()
    expect(cards(visitor)).to_have_count(12)
    expect(visitor.get_by_text("Because you rated").first).to_be_visible()
    expect(visitor.get_by_role("status")).to_contain_text("3 films")
    assert stayed(visitor)


def test_a_rating_changes_the_list_in_place(reader: Page) -> None:
    before = titles(reader)
    star(cards(reader).first, 5).click()
    expect(reader.get_by_role("status")).to_contain_text(f"You gave {before[0]}")
    expect(cards(reader).first.get_by_role("heading")).not_to_have_text(before[0])
    after = titles(reader)
    assert before[0] not in after and len(after) == len(before)
    why = cards(reader).get_by_role("link", name=re.compile(f"^{re.escape(before[0])}"))
    expect(why.first).to_be_visible()


def test_on_a_touch_screen_no_star_lights_up_before_it_is_given(people: People) -> None:
    phone = people.context(Person.NEW, viewport=PHONE, has_touch=True, is_mobile=True)
    with closing(phone), watched_page(phone, people.address) as (page, _):
        before = pick(page, 3)
        third = star(cards(page).first, 3)
        unlit = colour(third)
        third.hover()  # as a place stays after a touch, whatever film comes there
        assert colour(third) == unlit
        third.tap()
        expect(cards(page).first.get_by_role("heading")).not_to_have_text(before[0])
        assert colour(star(cards(page).first, 3)) == unlit


def test_who_has_a_very_long_id_need_not_scroll_sideways(
    people: People, program: Program
) -> None:
    user_id, item_id = "u" * 128, "f" * 128
    for film in ("m1", item_id):
        program.ask("POST", "/rate", {"user_id": user_id, "item_id": film, "rating": 5})
    phone = people.context(Person.NEW, viewport=PHONE)
    with closing(phone), watched_page(phone, people.address) as (page, _):
        become(page, user_id)
        for address in (None, "/you", f"/film/{item_id}"):
            if address is not None:
                page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_a_film_marked_as_watched_leaves_the_list_and_comes_back_when_taken_back(
    reader: Page
) -> None:
    before = titles(reader)
    cards(reader).first.get_by_role("button", name=re.compile("^I watched it")).click()
    expect(cards(reader).first.get_by_role("heading")).not_to_have_text(before[0])
    reader.get_by_role("button", name="Undo", exact=True).click()
    expect(cards(reader).first.get_by_role("heading")).to_have_text(before[0])
    assert titles(reader) == before


def test_more_films_and_one_genre_are_shown_without_a_reload(reader: Page) -> None:
    reader.get_by_role("button", name="Show more").click()
    expect(cards(reader)).to_have_count(24)
    reader.get_by_label("Genre").select_option("Comedy")
    expect(reader).to_have_url(re.compile(r"genre=Comedy"))
    expect(reader.locator("[aria-busy]")).to_have_count(0)
    shown = cards(reader).all_inner_texts()
    assert shown and all("Comedy" in text for text in shown)


def test_the_list_of_another_model_can_be_looked_at(reader: Page) -> None:
    choice = reader.get_by_role("combobox", name="Model")
    other = choice.get_by_role("option", name=re.compile("^popularity"))
    version_id = other.get_attribute("value")
    assert version_id
    choice.select_option(version_id)
    expect(reader).to_have_url(re.compile(f"model={version_id}"))
    expect(cards(reader).first).to_contain_text("Popular")
    expect(reader.get_by_text("Because you rated")).to_have_count(0)


def test_a_search_answers_while_one_types(visitor: Page) -> None:
    visitor.goto("/search")
    mark(visitor)
    word = titles(visitor)[0].split()[-1]
    field = visitor.get_by_role("searchbox")
    field.press_sequentially(word[:4], delay=20)
    expect(visitor).to_have_url(re.compile(f"query={word[:4]}"))
    expect(visitor.locator("[aria-busy]")).to_have_count(0)
    found = titles(visitor)
    assert found and all(word[:4].lower() in title.lower() for title in found)
    expect(field).to_be_focused()
    field.fill("no film is called so")
    expect(cards(visitor)).to_have_count(0)
    expect(visitor.get_by_role("status")).to_contain_text(re.compile("no film", re.IGNORECASE))
    assert stayed(visitor)


def test_the_history_shows_what_was_done_and_takes_it_back(reader: Page) -> None:
    reader.goto("/you")
    mark(reader)
    expect(cards(reader)).to_have_count(3)
    taken = titles(reader)[0]
    cards(reader).first.get_by_role("button", name=re.compile("^Undo")).click()
    expect(cards(reader)).to_have_count(2)
    expect(reader.get_by_role("status")).to_contain_text(taken)
    assert taken not in titles(reader)


def test_a_film_has_a_page_with_its_ratings_and_films_like_it(reader: Page) -> None:
    title = titles(reader)[0]
    cards(reader).first.get_by_role("heading").get_by_role("link").click()
    expect(reader.get_by_role("heading", level=1)).to_have_text(title)
    expect(reader.get_by_role("img", name=re.compile("each rating"))).to_be_visible()
    reader.get_by_text("As a table").click()
    expect(reader.get_by_role("table").get_by_role("row")).to_have_count(11)
    assert cards(reader).count() >= 3
    mark(reader)


def test_the_keyboard_alone_rates_and_the_focus_stays(reader: Page) -> None:
    cards(reader).first.get_by_role("heading").get_by_role("link").click()
    expect(reader.get_by_role("heading", level=2, name="Similar films")).to_be_visible()
    mark(reader)
    wanted = star(reader.get_by_role("group", name=re.compile("^Rate ")).first, 4)
    for _ in range(40):
        reader.keyboard.press("Tab")
        if wanted.evaluate("star => star === document.activeElement"):
            break
    expect(wanted).to_be_focused()
    assert wanted.evaluate("star => getComputedStyle(star).outlineStyle") != "none"
    reader.keyboard.press("Enter")
    expect(reader.get_by_role("status")).to_contain_text("4 stars")
    expect(wanted).to_have_attribute("aria-pressed", "true")
    expect(wanted).to_be_focused()


def test_the_first_stop_of_the_keyboard_leads_past_the_menu(visitor: Page) -> None:
    visitor.goto("/")
    visitor.keyboard.press("Tab")
    expect(visitor.get_by_role("link", name="Skip to the content")).to_be_focused()
    visitor.keyboard.press("Enter")
    expect(visitor.get_by_role("main")).to_be_focused()
