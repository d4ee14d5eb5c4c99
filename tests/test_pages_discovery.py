"""The first page: the list of /recommend as cards, acts from the card, and who one is."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from recommender.types import EventType, ModelStatus, Movie
from tests.recommend_site import OTHER, USER, films_of, seen_by, simulated
from tests.visitor_site import (
    PRODUCTION,
    WAIT_S,
    VisitorSite,
    films_on,
    just,
    problem,
    told,
)
from tests.web_world import options

NOT_APPLIED = "It is kept, and will show here in a little while."


@pytest.fixture
def site() -> VisitorSite:
    made = VisitorSite()
    made.become(USER)
    return made


def title(item_id: str) -> str:
    (movie,) = [movie for movie in simulated().movies if movie.item_id == item_id]
    return f"{movie.title} ({movie.year})"


# --- the list


def test_the_list_is_the_answer_of_recommend(site: VisitorSite) -> None:
    page = site.client.get("/")
    assert page.status_code == 200 and page.mimetype == "text/html"
    assert films_on(page.text) == site.items(f"user_id={USER}&k=12")


def test_a_list_on_the_page_is_traced_and_counted_as_any_other(site: VisitorSite) -> None:
    before = site.metric("reco_recommendations_total", kind="personalized")
    page = site.client.get("/?genre=Comedy")
    request_id = page.headers["X-Request-ID"]
    assert request_id in page.text and f'href="/trace/{request_id}"' in page.text
    trace = site.client.get(f"/trace/{request_id}").json
    assert (trace["user_id"], trace["variant"], trace["status"]) == (USER, "A", 200)
    shown = [film["item_id"] for film in trace["answer"]["recommendations"]]
    assert shown == films_on(page.text)
    assert trace["model_version"] in page.text
    assert site.metric("reco_recommendations_total", kind="personalized") == before + 1


def test_a_card_says_in_words_why_the_film_is_there(site: VisitorSite) -> None:
    page = site.client.get("/").text
    answer = site.ask(f"user_id={USER}&k=12").json["recommendations"]
    whys = re.findall(r'<p class="why">(.*?)</p>', page)
    assert len(whys) == len(answer)
    for why, film in zip(whys, answer, strict=True):
        kind, sources = film["reason"]["kind"], film["reason"]["item_ids"]
        words = {"because_you_rated": "Because you rated ",
                 "because_you_watched": "Because you watched "}[kind]
        assert why.startswith(words)
        for source in sources:
            assert f'href="/film/{source}"' in why and title(source) in unescape(why)


def test_a_list_can_be_narrowed_to_a_genre_and_made_longer(site: VisitorSite) -> None:
    page = site.client.get("/?genre=Comedy").text
    assert films_on(page) and set(films_on(page)) <= films_of("Comedy")
    assert re.search(r'<option value="Comedy" selected>', page)
    assert len(films_on(site.client.get("/?k=24").text)) == 24
    assert 'name="k" value="24"' in site.client.get("/").text


def test_a_genre_without_films_says_so(site: VisitorSite) -> None:
    assert "No film of this genre is left for you." in site.client.get("/?genre=Opera").text


def test_a_wrong_parameter_is_a_page_that_names_it(site: VisitorSite) -> None:
    answer = site.client.get("/?k=many")
    assert answer.status_code == 422 and problem(answer.text).startswith("k: must")


def test_without_a_model_the_newest_films_are_shown_and_said_to_be() -> None:
    site = VisitorSite(model=None)
    site.become(USER)
    page = site.client.get("/").text
    assert "There is no model yet" in page and "New here" in page
    assert films_on(page) == site.items(f"user_id={USER}&k=12")


def test_an_empty_catalogue_says_how_to_fill_it() -> None:
    site = VisitorSite(model=None)
    site.catalogue._movies.clear()
    page = site.client.get("/").text
    assert "There are no films yet" in page and "/picks" not in page


# --- acts from a card


@pytest.mark.parametrize("part", ["discovery", None])
def test_a_rating_changes_the_list_at_once(site: VisitorSite, part: str | None) -> None:
    first = films_on(site.client.get("/").text)[0]
    answer = site.send("/", part, item_id=first, rating="2")
    if part is None:
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        page = site.client.get("/").text
    else:
        page = answer.text
        assert answer.status_code == 200 and "<html" not in page
    assert told(page) == f"You gave {title(first)} 2 stars."
    assert first not in films_on(page)
    assert films_on(page) == site.items(f"user_id={USER}&k=12")
    event = list(site.outbox.events.values())[-1]
    assert (event.type, event.user_id, event.item_id, event.rating, event.source) == (
        EventType.RATE, USER, first, 2.0, "pages")
    assert site.metric("reco_events_accepted_total") == 1


def test_what_was_watched_leaves_the_list_and_undo_brings_it_back(site: VisitorSite) -> None:
    before = films_on(site.client.get("/").text)
    after = site.send("/", "discovery", item_id=before[0], watched="yes").text
    assert told(after) == f"You watched {title(before[0])}."
    assert before[0] not in films_on(after)
    undone = site.send("/", "discovery", item_id=before[0], undo="yes").text
    assert told(undone) == f"{title(before[0])} is out of your history."
    assert films_on(undone) == before


def test_an_act_keeps_the_genre_and_the_length_of_the_list(site: VisitorSite) -> None:
    first = films_on(site.client.get("/?genre=Comedy&k=24").text)[0]
    part = site.send("/?genre=Comedy&k=24", "discovery", item_id=first, rating="5").text
    assert set(films_on(part)) <= films_of("Comedy")
    whole = site.send("/?genre=Comedy&k=24", item_id=first, rating="5")
    assert whole.headers["Location"] == "/?k=24&genre=Comedy"


@pytest.mark.parametrize("part", ["discovery", None])
def test_what_is_not_applied_in_time_is_said_to_come(part: str | None) -> None:
    site = VisitorSite(options(page_wait_s=WAIT_S))
    site.become(USER)
    site.applies = False
    first = films_on(site.client.get("/").text)[0]
    answer = site.send("/", part, item_id=first, rating="4")
    page = answer.text if part else site.client.get("/").text
    assert just(page) == f"You gave {title(first)} 4 stars. {NOT_APPLIED}"
    assert films_on(page)[0] == first
    assert '<a class="button quiet" href="/">Look again</a>' in page
    assert len(site.outbox.events) == 1  # it is kept all the same


def late() -> tuple[VisitorSite, str]:
    """A site that applies nothing in time, and the film that its visitor gave four stars."""
    site = VisitorSite(options(page_wait_s=WAIT_S))
    site.become(USER)
    site.applies = False
    first = films_on(site.client.get("/").text)[0]
    site.send("/", "discovery", item_id=first, rating="4")
    return site, first


def test_a_part_that_does_not_count_an_act_yet_names_the_address_to_ask_again() -> None:
    site, _ = late()
    page = site.client.get("/?k=24", headers={"X-Fragment": "discovery"}).text
    assert 'data-again="/?k=24" data-part="discovery"' in page


@pytest.mark.parametrize("address", ["/", "/search", "/you", "/film/m1"])
def test_any_page_says_of_a_late_act_once_it_counts_and_then_no_more(address: str) -> None:
    site, first = late()
    assert NOT_APPLIED in just(site.client.get(address).text)
    site.apply_accepted()  # ingest forgets what is kept of the user a moment after the store
    page = site.client.get(address).text
    assert just(page) == f"You gave {title(first)} 4 stars." and "data-again" not in page
    assert first not in films_on(site.client.get("/").text)
    assert just(site.client.get(address).text) == ""


def test_an_act_that_counts_ends_the_waiting_for_those_before_it() -> None:
    site, _ = late()
    site.apply_accepted()
    site.applies = True
    second = films_on(site.client.get("/film/m1").text)[0]
    site.send("/", "discovery", item_id=second, rating="5")
    assert just(site.client.get("/").text) == ""


def test_a_late_act_is_not_told_to_another_visitor_of_the_browser_nor_for_ever() -> None:
    site, _ = late()
    site.clock.now_ms += 600_001
    assert just(site.client.get("/").text) == ""
    site, _ = late()
    site.become(OTHER)
    assert just(site.client.get("/").text) == ""


def test_when_many_wait_already_the_page_comes_without_waiting() -> None:
    site = VisitorSite(options(page_wait_s=3600.0))
    site.become(USER)
    site.applies = False
    for _ in range(4):
        assert site.desk.acts._waiting.acquire(blocking=False)
    first = films_on(site.client.get("/").text)[0]
    assert NOT_APPLIED in told(site.send("/", "discovery", item_id=first, rating="4").text)


# --- refused acts


@pytest.mark.parametrize("part", ["discovery", None])
@pytest.mark.parametrize("address", ["/", "/picks", "/search", "/you", "/you/choose",
                                     "/you/forget", "/film/m1"])
def test_a_form_without_the_token_is_refused_and_keeps_nothing(
    site: VisitorSite, address: str, part: str | None
) -> None:
    headers = {} if part is None else {"X-Fragment": part}
    answer = site.client.post(
        address, data={"item_id": "m1", "rating": "4", "user_id": OTHER}, headers=headers)
    assert answer.status_code == 400 and "reload the page" in problem(answer.text)
    assert not site.outbox.events and site.who() == USER
    assert site.audit_log.entries()[0].outcome == "400 forged form"


@pytest.mark.parametrize("part", ["discovery", None])
@pytest.mark.parametrize(("fields", "status", "named"), [
    ({"item_id": "no-such-film", "rating": "4"}, 404, "no-such-film"),
    ({"item_id": "not an id", "rating": "4"}, 422, "item_id"),
    ({"rating": "4"}, 422, "item_id"),
    ({"item_id": "m1", "rating": "6"}, 422, "rating"),
    ({"item_id": "m1", "rating": "four"}, 422, "rating"),
    ({"item_id": "m1"}, 422, "rating"),
    ({"item_id": "m1", "rating": "4", "undo": "yes"}, 422, "rating"),
])
def test_a_form_that_is_not_acceptable_is_a_page_that_says_why(
    site: VisitorSite, fields: dict[str, str], status: int, named: str, part: str | None
) -> None:
    answer = site.send("/", part, **fields)
    assert answer.status_code == status and answer.mimetype == "text/html"
    assert problem(answer.text) and named in answer.text
    assert not site.outbox.events


def test_more_ratings_than_an_hour_allows_are_refused() -> None:
    site = VisitorSite(ratings_per_hour=1)
    site.become(USER)
    assert site.send("/", "discovery", item_id="m1", rating="4").status_code == 200
    refused = site.send("/", "discovery", item_id="m2", rating="4")
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert "More ratings in an hour" in problem(refused.text)


def test_a_full_outbox_and_a_store_that_is_down_are_pages_that_say_so(site: VisitorSite) -> None:
    site.outbox.refuses = True
    refused = site.send("/", "discovery", item_id="m1", rating="4")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "7")
    assert "nothing was written" in problem(refused.text)
    site.store.down = True
    assert site.client.get("/you").status_code == 503


# --- who one is


def test_in_development_any_existing_user_can_be_chosen(site: VisitorSite) -> None:
    site.become(OTHER)
    page = site.client.get("/").text
    assert f"<strong>{OTHER}</strong>" in page and told(page) == f"You are {OTHER} now."
    assert films_on(page) == site.items(f"user_id={OTHER}&k=12")


@pytest.mark.parametrize(("user_id", "status"), [("nobody-yet", 404), ("no id", 422), ("", 422)])
def test_who_is_not_there_cannot_be_chosen(
    site: VisitorSite, user_id: str, status: int
) -> None:
    answer = site.send("/you/choose", user_id=user_id)
    assert answer.status_code == status and problem(answer.text)
    assert site.who() == USER


def test_users_who_did_something_lately_are_offered_as_examples() -> None:
    site = VisitorSite()
    page = site.client.get("/").text
    offered = re.findall(r'<button class="quiet" name="user_id" value="([^"]+)"', page)
    assert 1 <= len(offered) <= 6
    assert all(seen_by(user_id) for user_id in offered)
    assert offered[0] == simulated().events["user_id"].iloc[-1]


def test_in_production_nobody_can_be_chosen() -> None:
    site = VisitorSite(PRODUCTION)
    page = site.client.get("/").text
    assert "/you/choose" not in page and 'name="user_id"' not in page
    assert site.send("/you/choose", user_id=USER).status_code == 404
    assert site.who() is None


def test_an_id_chosen_in_development_is_not_believed_in_production() -> None:
    site = VisitorSite(PRODUCTION)
    with site.client.session_transaction() as session:
        session["visitor"] = USER
    assert not films_on(site.client.get("/").text)
    assert USER not in site.client.get("/you").text
    site.send("/", "discovery", item_id="m1", rating="4")
    (event,) = site.outbox.events.values()
    assert event.user_id.startswith("visitor-")


def test_a_forged_session_is_nobody() -> None:
    site = VisitorSite(PRODUCTION)
    client = site.another()
    client.set_cookie("fairreel", "eyJ2aXNpdG9yIjoidmlzaXRvci0xIn0.aaaaaa.forged")
    assert site.who(client) is None


def test_in_production_each_visitor_has_an_own_id_and_sees_an_own_history() -> None:
    site = VisitorSite(PRODUCTION)
    other = site.another()
    site.send("/", "discovery", item_id="m1", rating="4")
    site.send("/", "discovery", other, item_id="m2", rating="4")
    mine, theirs = site.who(), site.who(other)
    assert mine and theirs and mine != theirs
    assert re.fullmatch(r"visitor-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", mine)
    assert films_on(site.client.get("/you").text) == ["m1"]
    assert films_on(other.get("/you").text) == ["m2"]
    assert films_on(site.client.get(f"/you?user_id={theirs}&visitor={theirs}").text) == ["m1"]


def test_only_those_who_may_ask_for_a_trace_are_led_to_it() -> None:
    site = VisitorSite(PRODUCTION)
    site.send("/", "discovery", item_id="m1", rating="4")
    page = site.client.get("/")
    request_id = page.headers["X-Request-ID"]
    assert request_id in page.text and "/trace/" not in page.text
    assert site.client.get(f"/trace/{request_id}").status_code == 401


# --- another model


def offered_models(page: str) -> list[str]:
    select = re.search(r'<select name="model".*?</select>', page, re.DOTALL)
    return re.findall(r'<option value="([^"]*)"', select[0]) if select else []


def test_in_development_a_list_can_be_made_by_another_model(site: VisitorSite) -> None:
    site.add_choice("popularity", "20250101T000000Z")
    site.add_choice("popularity", "20260102T000000Z")
    site.add_choice("knn", "20260103T000000Z", ModelStatus.REFUSED)
    assert offered_models(site.client.get("/").text) == ["", "20260102T000000Z"]
    page = site.client.get("/?model=20260102T000000Z")
    assert "Popular with everyone" in page.text and "Because you" not in page.text
    assert films_on(page.text) != films_on(site.client.get("/").text)
    trace: dict[str, Any] = site.client.get(f"/trace/{page.headers['X-Request-ID']}").json
    assert (trace["variant"], trace["model_version"]) == ("chosen", "20260102T000000Z")
    assert trace["answer"]["variant"] == "chosen"


def test_a_model_is_read_once_and_the_two_used_last_are_kept(site: VisitorSite) -> None:
    versions = ["20260101T000001Z", "20260101T000002Z", "20260101T000003Z"]
    for name, version in zip(("popularity", "knn", "transition_knn"), versions, strict=True):
        site.add_choice(name, version)
    for version in (*versions[:2], *versions[:2], versions[2], versions[1], versions[0]):
        assert site.client.get(f"/?model={version}").status_code == 200
    assert site.loaded == [*versions, versions[0]]


def test_a_rating_changes_the_list_of_another_model_too(site: VisitorSite) -> None:
    site.add_choice("knn", "20260102T000000Z")
    address = "/?model=20260102T000000Z"
    first = films_on(site.client.get(address).text)[0]
    assert first not in films_on(site.send(address, "discovery", item_id=first, rating="5").text)


@pytest.mark.parametrize("model", ["20990101T000000Z", "knn", "7"])
def test_only_a_version_that_may_be_loaded_can_be_chosen(site: VisitorSite, model: str) -> None:
    site.add_choice("knn", "20260103T000000Z", ModelStatus.RETIRED)
    assert site.client.get(f"/?model={model}").status_code == 404
    assert site.client.get("/?model=20260103T000000Z").status_code == 404
    assert not site.loaded


def test_in_production_only_administrators_choose_a_model() -> None:
    site = VisitorSite(PRODUCTION)
    site.add_choice("popularity", "20260102T000000Z")
    site.send("/", "discovery", item_id="m1", rating="4")
    address = "/?model=20260102T000000Z"
    assert not offered_models(site.client.get("/").text)
    assert site.client.get(address).status_code == 404
    site.log_in()
    assert offered_models(site.client.get("/").text) == ["", "20260102T000000Z"]
    assert "Popular with everyone" in site.client.get(address).text


# --- how varied


def test_a_list_can_be_made_more_varied(site: VisitorSite) -> None:
    page = site.client.get("/").text
    offered = re.search(r'<select name="diversity".*?</select>', page, re.DOTALL)
    assert offered is not None and 'value="0.4"' in offered[0]
    mixed = site.client.get("/?diversity=0.4")
    assert re.search(r'<option value="0.4" selected>', mixed.text)
    assert "mmr 0.4" in mixed.text and films_on(mixed.text) != films_on(page)
    assert films_on(mixed.text) == site.items(f"user_id={USER}&k=12&diversity=0.4")
    kept = site.send("/?diversity=0.4", item_id=films_on(mixed.text)[0], rating="5")
    assert kept.headers["Location"] == "/?diversity=0.4"
    assert 'name="diversity" value="0.4"' in mixed.text  # with "Show more"
    assert films_on(site.client.get("/?diversity=&genre=").text) == films_on(
        site.client.get("/").text)


def test_the_choice_of_variety_goes_as_far_as_the_settings_allow() -> None:
    for most, values in ((0.4, ["", "0.2", "0.4"]), (0.0, [])):
        site = VisitorSite(options(diversity_max=most))
        site.become(USER)
        select = re.search(r'<select name="diversity".*?</select>', site.client.get("/").text,
                           re.DOTALL)
        found = re.findall(r'<option value="([^"]*)"', select[0]) if select else []
        assert found == values
        assert site.client.get("/?diversity=0.7").status_code == 422


# --- titles are data


def test_a_title_is_text_on_every_page_and_never_markup() -> None:
    site = VisitorSite(model=None)
    evil = '<script>alert("1")</script>'
    site.add_movies(Movie("evil", evil, 2099, ("<b>Odd</b>",)))
    site.cards.refresh()
    site.become(USER)
    acted = site.send("/film/evil", "film", item_id="evil", rating="3").text
    assert told(acted) == f"You gave {evil} (2099) 3 stars."
    site.send("/", item_id="evil", undo="yes")
    pages = [site.client.get(address).text
             for address in ("/", "/search?query=script", "/film/evil", "/you")]
    pages += [acted, site.another().get("/").text,
              site.client.get("/search?query=%3Cscript%3Ealert").text,
              site.client.get("/?genre=%3Cscript%3Ealert").text]
    for page in pages:
        assert "<script>alert" not in page and "<b>Odd" not in page
    assert all("&lt;script&gt;alert" in page for page in pages[:3])
