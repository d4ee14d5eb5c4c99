"""The own history: newest first, taken back film by film, forgotten on the device."""

from __future__ import annotations

import re

import pytest

from recommender.types import Event, EventType, History, HistoryEntry, Movie
from tests.recommend_site import USER, seen_by
from tests.visitor_site import PRODUCTION, VisitorSite, films_on, told
from web.pages.film_cards import Mark, marks


@pytest.fixture
def site() -> VisitorSite:
    made = VisitorSite()
    made.add_movies(*(Movie(f"x{n}", f"Film {n}", 2000 + n) for n in range(120)))
    made.cards.refresh()
    return made


def did(site: VisitorSite, *acts: tuple[EventType, str, float | None]) -> None:
    """Acts of a new visitor, a second apart."""
    for kind, item_id, rating in acts:
        site.clock.now_ms += 1000
        field = {"rating": rating} if rating is not None else {"watched": "yes"}
        assert kind in (EventType.RATE, EventType.WATCH)
        assert site.send("/search", "results", item_id=item_id, **field).status_code == 200


def test_the_history_shows_films_newest_first_with_totals(site: VisitorSite) -> None:
    did(site, (EventType.RATE, "x1", 4), (EventType.WATCH, "x2", None),
        (EventType.RATE, "x3", 2), (EventType.WATCH, "x1", None))
    page = site.client.get("/you").text
    assert films_on(page) == ["x1", "x3", "x2"]
    assert "3 films: 2 rated, 2 watched. Newest first." in page
    first = page[page.index('href="/film/x1"'):page.index('href="/film/x3"')]
    assert "You gave 4 stars" in first and "You watched it" in first
    assert "2026-" in first and "UTC" in first


def test_the_history_of_a_user_holds_all_their_films(site: VisitorSite) -> None:
    site.become(USER)
    assert set(films_on(site.client.get("/you").text)) == seen_by(USER)


@pytest.mark.parametrize("part", ["history", None])
def test_undo_takes_back_all_of_a_film(site: VisitorSite, part: str | None) -> None:
    did(site, (EventType.RATE, "x1", 4), (EventType.WATCH, "x1", None),
        (EventType.RATE, "x2", 3))
    site.clock.now_ms += 1000
    answer = site.send("/you", part, item_id="x1", undo="yes")
    if part is None:
        assert (answer.status_code, answer.headers["Location"]) == (303, "/you")
    page = answer.text if part else site.client.get("/you").text
    assert told(page) == "Film 1 (2001) is out of your history."
    assert films_on(page) == ["x2"] and "1 film: 1 rated, 0 watched." in page
    assert list(site.outbox.events.values())[-1].type is EventType.UNDO


def test_a_rating_can_be_changed_in_the_history(site: VisitorSite) -> None:
    did(site, (EventType.RATE, "x1", 4))
    site.clock.now_ms += 1000
    page = site.send("/you", "history", item_id="x1", rating="1").text
    assert "You gave 1 star" in page and films_on(page) == ["x1"]


def test_a_long_history_comes_in_pages(site: VisitorSite) -> None:
    did(site, (EventType.RATE, "x0", 3))
    who, now_ms = site.who(), site.clock()
    assert who
    site.apply(Event(f"e{n}", EventType.RATE, who, f"x{n}", now_ms + n, now_ms + n, "api", 3.0)
               for n in range(1, 120))
    site.clock.now_ms += 1000
    pages = [site.client.get(f"/you?page={n}").text for n in (1, 2, 3, 99)]
    newest_first = [f"x{n}" for n in reversed(range(120))]
    assert [films_on(page) for page in pages] == [
        newest_first[:50], newest_first[50:100], newest_first[100:], newest_first[100:]]
    assert 'href="/you?page=2"' in pages[0] and 'rel="prev"' not in pages[0]
    assert 'rel="prev" href="/you"' in pages[1] and 'rel="next"' not in pages[2]
    assert 'action="/you?page=2"' in pages[1]
    page = site.send("/you?page=2", "history", item_id="x69", undo="yes").text
    assert films_on(page) == [*newest_first[51:100], "x19"]


def test_searches_that_are_known_are_shown_too(site: VisitorSite) -> None:
    did(site, (EventType.RATE, "x1", 4))
    who = site.who()
    assert who
    now_ms = site.clock()
    site.apply([Event("s1", EventType.SEARCH, who, None, now_ms, now_ms, "api",
                      query="<b>space</b>")])
    page = site.client.get("/you").text
    assert "Your searches" in page and "&lt;b&gt;space" in page


def test_without_a_history_there_is_a_way_to_begin(site: VisitorSite) -> None:
    page = site.client.get("/you").text
    assert "Nothing yet." in page and "/you/forget" not in page


@pytest.mark.parametrize("production", [False, True])
def test_a_device_forgets_who_was_there_but_what_they_did_stays(
    site: VisitorSite, production: bool
) -> None:
    if production:
        site = VisitorSite(PRODUCTION)
    site.send("/search", "results", item_id="m1", rating="4")
    who = site.who()
    page = site.client.get("/you").text
    assert who and f"<code>{who}</code>" in page
    assert bool(re.search(r'action="/you/forget" data-confirm="', page)) is production
    answer = site.send("/you/forget")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert site.who() is None
    assert told(site.client.get("/").text) == "This device has forgotten who you are."
    assert "Nothing yet." in site.client.get("/you").text
    assert len(site.store.history(who).entries) == 1


def test_marks_gather_what_a_user_did_to_each_film() -> None:
    history = History("u", 4, (
        HistoryEntry("a", EventType.RATE, 4.0, 10, "e1"),
        HistoryEntry("b", EventType.VIEW, None, 20, "e2"),
        HistoryEntry("a", EventType.WATCH, None, 30, "e3"),
        HistoryEntry("a", EventType.VIEW, None, 40, "e4"),
    ))
    assert marks(history) == {"a": Mark(4.0, True, True, 40), "b": Mark(None, False, True, 20)}
