"""Someone new picks films and gets a list of their own within the same page."""

from __future__ import annotations

import re

import pytest

from recommender.types import EventType
from tests.recommend_site import simulated
from tests.visitor_site import PRODUCTION, WAIT_S, VisitorSite, films_on, problem, told
from tests.web_world import options


@pytest.fixture(params=["development", "production"])
def site(request: pytest.FixtureRequest) -> VisitorSite:
    return VisitorSite(PRODUCTION if request.param == "production" else None)


def offered(page: str) -> list[str]:
    return re.findall(r'<input type="checkbox" name="item_id" value="([^"]+)"', page)


def test_someone_new_is_offered_films_of_many_kinds_and_nothing_is_made_of_them(
    site: VisitorSite,
) -> None:
    page = site.client.get("/").text
    films = {movie.item_id: movie for movie in simulated().movies}
    shown = [films[item_id] for item_id in offered(page)]
    assert len(shown) == 24 and "Pick about 5" in page
    genres = {genre for movie in films.values() for genre in movie.genres}
    assert len({genre for movie in shown for genre in movie.genres}) > 0.8 * len(genres)
    assert not films_on(page) and site.who() is None
    assert site.kept.loads == 0
    assert site.metric("reco_recommendations_total") == 0


def test_the_offer_is_the_same_for_everyone(site: VisitorSite) -> None:
    assert offered(site.client.get("/").text) == offered(site.another().get("/").text)


@pytest.mark.parametrize("part", ["discovery", None])
def test_who_picks_films_gets_a_personal_list_within_the_same_page(
    site: VisitorSite, part: str | None
) -> None:
    picks = offered(site.client.get("/").text)[:5]
    answer = site.send("/picks", part, item_id=picks)
    if part is None:
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    else:
        assert answer.status_code == 200 and "<html" not in answer.text
    page = answer.text if part else site.client.get("/").text
    assert told(page) == "5 films taken into your history."
    assert len(films_on(page)) == 12 and not set(picks) & set(films_on(page))
    assert page.count("Because you rated") >= 6 and not offered(page)
    events = list(site.outbox.events.values())
    assert [(e.type, e.item_id, e.rating) for e in events] == [
        (EventType.RATE, item_id, 5.0) for item_id in picks]
    assert {e.user_id for e in events} == {site.who()}
    assert site.metric("reco_recommendations_total", kind="personalized") == 1


def test_who_picks_none_sees_what_everyone_likes_and_may_still_pick(site: VisitorSite) -> None:
    page = site.send("/picks", "discovery").text
    assert "What everyone likes" in page and "Popular with everyone" in page
    assert len(films_on(page)) == 12 and offered(page)
    assert not site.outbox.events
    assert site.metric("reco_recommendations_total", kind="new_user") == 1


def test_who_picks_no_film_is_told_so_and_sees_what_everyone_likes(site: VisitorSite) -> None:
    page = site.send("/picks", "discovery").text
    assert told(page) == "You picked no film, so these are what everyone likes."
    assert len(films_on(page)) == 12 and offered(page)
    assert not site.outbox.events


def test_the_same_film_picked_twice_counts_once(site: VisitorSite) -> None:
    pick = offered(site.client.get("/").text)[0]
    page = site.send("/picks", "discovery", item_id=[pick, pick]).text
    assert told(page) == "1 film taken into your history."
    assert len(site.outbox.events) == 1


@pytest.mark.parametrize(("picks", "status"), [
    (["m1", "no-such-film"], 404), (["not an id"], 422),
    ([f"m{n}" for n in range(1, 30)], 422),
])
def test_picks_that_are_not_acceptable_keep_nothing(
    site: VisitorSite, picks: list[str], status: int
) -> None:
    answer = site.send("/picks", "discovery", item_id=picks)
    assert answer.status_code == status and problem(answer.text)
    assert not site.outbox.events and site.who() is None


def test_picks_beyond_the_ratings_of_an_hour_are_told(site: VisitorSite) -> None:
    limited = VisitorSite(site.options, ratings_per_hour=3)
    picks = offered(limited.client.get("/").text)[:5]
    page = limited.send("/picks", "discovery", item_id=picks).text
    assert told(page).startswith("3 films taken into your history. 2 more were not taken")
    assert len(limited.outbox.events) == 3 and "Because you rated" in page


def test_picks_not_applied_in_time_are_said_to_come() -> None:
    site = VisitorSite(options(page_wait_s=WAIT_S))
    site.applies = False
    picks = offered(site.client.get("/").text)[:5]
    page = site.send("/picks", "discovery", item_id=picks).text
    assert told(page) == ("5 films taken into your history. "
                          "It is kept, and will show here in a little while.")
    assert '<a class="button quiet" href="/">Look again</a>' in page
    assert len(site.outbox.events) == 5


def test_starting_as_someone_new_leads_back_to_the_offer() -> None:
    site = VisitorSite()
    site.become("u1")
    assert "Start as someone new" in site.client.get("/").text
    assert site.send("/you/forget").headers["Location"] == "/"
    assert site.who() is None and offered(site.client.get("/").text)
