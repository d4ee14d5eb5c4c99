"""The page of a film: ratings, similar films, what the visitor thinks."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from recommender.serving import similar
from recommender.types import EventType, Movie, RatingCounts
from tests.recommend_site import USER, simulated, trained
from tests.visitor_site import VisitorSite, films_on, problem, told
from web.pages.film import histogram


@pytest.fixture
def site() -> VisitorSite:
    made = VisitorSite()
    made.add_movies(Movie("alien", "Alien", 1979, ("Horror", "Sci-Fi")))
    made.cards.refresh()
    made.become(USER)
    return made


def test_a_film_shows_its_ratings_as_they_are_in_the_data(site: VisitorSite) -> None:
    events = simulated().events
    item_id = events.loc[events["type"] == "rate", "item_id"].value_counts().index[0]
    rated = events[(events["type"] == "rate") & (events["item_id"] == item_id)]
    latest = rated.sort_values("timestamp_ms").groupby("user_id")["rating"].last()
    page = site.client.get(f"/film/{item_id}").text
    assert f"<dd>{latest.mean():.2f} of 5</dd>" in page and f"<dd>{len(latest)}</dd>" in page
    table = re.findall(r'<th scope="row">([\d.]+)</th><td class="number">(\d+)</td>', page)
    counts = Counter(latest)
    assert {float(r): int(n) for r, n in table} == {
        float(r): counts[float(r)] for r, _ in table}
    assert sum(int(n) for _, n in table) == len(latest)


def test_half_stars_have_bars_only_where_somebody_gave_one() -> None:
    labels, values = histogram(RatingCounts("a", {4.0: 3, 1.0: 1}))
    assert (labels, values) == (["1", "2", "3", "4", "5"], [1, 0, 0, 3, 0])
    labels, values = histogram(RatingCounts("a", {4.0: 3, 0.5: 1}))
    assert len(labels) == 10 and (labels[0], values[0], values[7]) == ("0.5", 1, 3)


def test_similar_films_are_those_of_the_model(site: VisitorSite) -> None:
    item_id = simulated().movies[0].item_id
    near = similar(trained("transition_knn"), item_id, 8)
    page = site.client.get(f"/film/{item_id}").text
    assert films_on(page) == [found.item_id for found in near]
    by_people = sum(found.by == "people" for found in near)
    assert page.count("Rated or watched by the same people") == by_people


def test_a_film_that_nobody_rated_and_the_model_does_not_know_says_so(site: VisitorSite) -> None:
    page = site.client.get("/film/alien").text
    assert "<h1>Alien</h1>" in page and "<span>1979</span><span>Horror</span>" in page
    assert "Nobody rated this film yet." in page
    assert "The model knows no film like this one yet." in page


def test_without_a_model_there_is_nothing_similar() -> None:
    site = VisitorSite(model=None)
    item_id = simulated().movies[0].item_id
    assert "There is no model yet that could tell." in site.client.get(f"/film/{item_id}").text


@pytest.mark.parametrize("part", ["film", None])
def test_a_rating_shows_on_the_page_and_in_its_chart(site: VisitorSite, part: str | None) -> None:
    answer = site.send("/film/alien", part, item_id="alien", rating="1")
    if part is None:
        assert (answer.status_code, answer.headers["Location"]) == (303, "/film/alien")
    page = answer.text if part else site.client.get("/film/alien").text
    assert told(page) == "You gave Alien (1979) 1 star."
    assert "You gave 1 star<" in page and "<dd>1.00 of 5</dd>" in page
    page = site.send("/film/alien", "film", item_id="alien", undo="yes").text
    assert "Nobody rated this film yet." in page and 'name="undo"' not in page


def test_a_rating_in_half_stars_is_shown_as_it_was_given(site: VisitorSite) -> None:
    site.happened(EventType.RATE, "alien", 3.5)
    page = site.client.get("/film/alien").text
    assert "You gave 3.5 stars" in page
    assert page.count('class="star on"') == 3 and page.count('class="star half"') == 1


def test_an_unknown_film_is_a_page_of_its_own_status(site: VisitorSite) -> None:
    for answer in (site.client.get("/film/no-such-film"),
                   site.send("/film/no-such-film", "film", item_id="m1", rating="4")):
        assert answer.status_code == 404 and "no-such-film" in problem(answer.text)
    assert site.client.get("/film/not an id").status_code == 422
    assert not site.outbox.events


def test_a_film_known_by_its_id_only_says_so(site: VisitorSite) -> None:
    site.add_movies(Movie("x9", "x9", placeholder=True))
    page = site.client.get("/film/x9").text
    assert "<h1>x9</h1>" in page and "known by its id only" in page


def test_a_film_that_came_after_the_last_refresh_is_found(site: VisitorSite) -> None:
    site.add_movies(Movie("brand-new", "Brand New", 2026))
    assert "<h1>Brand New</h1>" in site.client.get("/film/brand-new").text


def test_opening_a_film_is_noted_with_the_words_that_found_it(site: VisitorSite) -> None:
    page = site.client.get("/search?query=alien").text
    assert 'href="/film/alien?query=alien"' in page
    assert site.client.get("/film/alien?query=alien").status_code == 200
    assert [(event.type, event.user_id, event.item_id, event.query)
            for event in site.outbox.events.values()] == [
        (EventType.VIEW, USER, "alien", None), (EventType.SEARCH, USER, None, "alien")]
    assert "You looked at it" in site.client.get("/film/alien").text


def test_coming_back_from_the_form_of_the_page_is_no_visit(site: VisitorSite) -> None:
    site.client.get("/film/alien", headers={"Referer": "http://localhost/search?query=x"})
    site.send("/film/alien", item_id="alien", undo="yes")
    page = site.client.get("/film/alien", headers={"Referer": "http://localhost/film/alien"}).text
    assert "You looked at it" not in page
    assert [event.type for event in site.outbox.events.values()] == [
        EventType.VIEW, EventType.UNDO]


def test_nothing_is_noted_of_somebody_who_did_nothing_yet(site: VisitorSite) -> None:
    assert site.another().get("/film/alien?query=alien").status_code == 200
    assert not site.outbox.events


def test_the_page_is_shown_when_the_visit_cannot_be_kept(site: VisitorSite) -> None:
    site.outbox.refuses = True
    answer = site.client.get("/film/alien")
    assert answer.status_code == 200 and "<h1>Alien</h1>" in answer.text
