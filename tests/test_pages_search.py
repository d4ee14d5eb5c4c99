"""Search: words of the title and genre, as one types, with acts from the result."""

from __future__ import annotations

import re

import pytest

from recommender.types import Movie
from tests.recommend_site import USER, films_of, simulated
from tests.visitor_site import PRODUCTION, Elements, VisitorSite, films_on, problem, told


@pytest.fixture
def site() -> VisitorSite:
    made = VisitorSite()
    made.add_movies(Movie("alien", "Alien", 1979, ("Horror",)),
                    Movie("aliens", "Aliens", 1986, ("Action",)))
    made.cards.refresh()
    made.become(USER)
    made.client.get("/")  # where the notice of it is shown
    return made


def test_films_are_found_by_words_of_the_title_in_any_case(site: VisitorSite) -> None:
    assert films_on(site.client.get("/search?query=ALIEN").text) == ["alien", "aliens"]
    assert films_on(site.client.get("/search?query=++alien++").text) == ["alien", "aliens"]
    assert films_on(site.client.get("/search?query=aliens").text) == ["aliens"]


def test_films_are_found_by_genre(site: VisitorSite) -> None:
    found = films_on(site.client.get("/search?genre=Comedy").text)
    assert found and set(found) <= films_of("Comedy")
    assert films_on(site.client.get("/search?query=alien&genre=Action").text) == ["aliens"]


def test_the_results_come_alone_when_the_script_asks(site: VisitorSite) -> None:
    part = site.client.get("/search?query=alien", headers={"X-Fragment": "results"}).text
    assert "<html" not in part and "<search" not in part
    assert films_on(part) == ["alien", "aliens"] and told(part) == "2 films found"


def test_the_form_answers_as_one_types_and_works_without_scripts(site: VisitorSite) -> None:
    page = site.client.get("/search?query=alien").text
    (form,) = [f for f in Elements(page).of("form") if "data-live" in f]
    assert (form["method"], form["action"], form["data-into"]) == ("get", "/search", "results")
    assert re.search(r'<input type="search" name="query" value="alien"', page)
    assert "<button>Search</button>" in page


def test_nothing_found_is_said(site: VisitorSite) -> None:
    part = site.client.get("/search?query=zzz", headers={"X-Fragment": "results"}).text
    assert told(part) == "No film was found." and "No film was found.</p>" in part


def test_without_words_the_most_taken_films_are_shown(site: VisitorSite) -> None:
    page = site.client.get("/search").text
    taken = simulated().events["item_id"].value_counts()
    assert len(films_on(page)) == 24 and "What most people rated or watched" in page
    assert set(films_on(page)) <= set(taken.index[taken >= taken.iloc[60]])


@pytest.mark.parametrize("part", ["results", None])
def test_a_result_can_be_rated_and_then_says_so(site: VisitorSite, part: str | None) -> None:
    answer = site.send("/search?query=alien", part, item_id="alien", rating="4")
    if part is None:
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/search?query=alien"
    page = answer.text if part else site.client.get("/search?query=alien").text
    assert told(page) == "You gave Alien (1979) 4 stars."
    assert "You gave 4 stars" in page and "4.0 of 5, 1 rating<" in page
    assert films_on(page) == ["alien", "aliens"]
    pressed = [b for b in Elements(page).of("button") if b.get("aria-pressed") == "true"]
    assert [(b["value"], b["data-focus"]) for b in pressed] == [("4", "alien 4")]


def test_a_result_can_be_marked_as_watched_and_taken_back(site: VisitorSite) -> None:
    page = site.send("/search?query=aliens", "results", item_id="aliens", watched="yes").text
    assert "You watched it" in page and 'name="watched"' not in page
    page = site.send("/search?query=aliens", "results", item_id="aliens", undo="yes").text
    assert "You watched it" not in page and 'name="watched"' in page


def test_who_rates_a_result_first_gets_an_id_by_that() -> None:
    site = VisitorSite(PRODUCTION)
    site.client.get("/search?query=the")
    assert site.who() is None
    site.send("/search", "results", item_id="m1", rating="4")
    assert (site.who() or "").startswith("visitor-")


def test_every_field_and_button_has_a_name(site: VisitorSite) -> None:
    page = site.client.get("/search?query=alien").text
    stars = [b for b in Elements(page).of("button") if b.get("name") == "rating"]
    assert [b["aria-label"] for b in stars[:5]] == [
        "1 star", "2 stars", "3 stars", "4 stars", "5 stars"]
    assert '<legend class="unseen">Rate Alien (1979)</legend>' in page


def test_a_query_that_is_too_long_is_refused(site: VisitorSite) -> None:
    answer = site.client.get("/search?query=" + "a" * 501)
    assert answer.status_code == 422 and problem(answer.text).startswith("query: ")
