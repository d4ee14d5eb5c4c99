"""What the frame does for every page: errors as pages, fragments, notices, sessions, forms."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Response

from recommender.errors import StoreUnavailable
from recommender.types import Role
from tests.web_world import World, options
from web.operations import Who, page
from web.pages import frame
from web.surface import Surface

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class SaysSo:
    """A page with a part, and a form that leaves a notice."""

    def __init__(self, surface: Surface) -> None:
        surface.table.topic("words", (
            (page("GET", "/admin/words", "Words", Who.ADMIN), self.words),
            (page("POST", "/admin/words", "Say one", Who.ADMIN), self.say),
        ))

    def words(self) -> Response:
        return frame.page("login.html", next="/admin", wrong=False)

    def say(self) -> Any:
        frame.notice("said <once>")
        return frame.page("login.html", next="/admin", wrong=False) if frame.is_fragment() \
            else frame.see("words.words")


@pytest.fixture
def world() -> World:
    return World(options(session_s=7_200), further_topics=[lambda surface: SaysSo(surface)])


def log_in(world: World) -> str:
    """Log in as an administrator; the token of the session."""
    _, secret = world.api_keys.create(Role.ADMIN, "root", world.clock())
    answer = world.client.post("/admin/login", data={"csrf_token": token(world), "key": secret})
    assert answer.status_code == 303, answer.text
    return token(world)


def token(world: World) -> str:
    text: str = world.client.get("/admin/login").text
    return text.split('name="csrf_token" value="')[1].split('"')[0]


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/nosuch", 404), ("GET", "/favicon.ico", 404), ("GET", "/rate", 405),
    ("GET", "/admin/nosuch", 404), ("DELETE", "/admin", 405),
])
def test_a_browser_gets_a_page_for_an_address_that_is_not_there(
    world: World, method: str, path: str, status: int
) -> None:
    answer = world.client.open(path, method=method, headers=BROWSER)
    assert answer.status_code == status
    assert answer.mimetype == "text/html" and "<h1>" in answer.text
    assert answer.headers["X-Request-ID"] in answer.text


def test_a_program_gets_a_problem_for_an_address_that_is_not_there(world: World) -> None:
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = world.client.get("/nosuch", headers=headers)
        assert answer.mimetype == "application/problem+json" and answer.status_code == 404


def test_a_store_that_is_away_is_told_on_a_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(world)

    def away() -> Any:
        raise StoreUnavailable("the database does not answer")

    monkeypatch.setattr(world.api_keys, "keys", away)
    answer = world.client.get("/admin")
    assert answer.status_code == 503 and answer.mimetype == "text/html"
    assert "Retry-After" in answer.headers


def test_a_page_of_a_problem_that_cannot_be_made_is_answered_as_a_problem(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> str:
        raise RuntimeError("no template")

    monkeypatch.setattr(frame, "render_template", broken)
    answer = world.client.get("/nosuch", headers=BROWSER)
    assert answer.status_code == 404 and answer.mimetype == "application/problem+json"


def test_a_part_of_a_page_is_made_alone_with_its_components(world: World) -> None:
    log_in(world)
    whole = world.client.get("/admin/words").text
    part = world.client.get("/admin/words", headers={"X-Fragment": "main"}).text
    assert "<label" in part and "<html" not in part
    assert part.split("csrf_token")[0].strip() in whole


def test_a_part_that_the_page_does_not_have_is_refused(world: World) -> None:
    log_in(world)
    answer = world.client.get("/admin/words", headers={"X-Fragment": "nosuch"})
    assert answer.status_code == 400


def test_a_notice_is_told_once_on_the_next_page_and_escaped(world: World) -> None:
    form = {"csrf_token": log_in(world)}
    answer = world.client.post("/admin/words", data=form, follow_redirects=True)
    assert "said &lt;once&gt;" in answer.text
    assert "said" not in world.client.get("/admin/words").text


def test_a_notice_goes_with_the_part_that_the_script_asked_for(world: World) -> None:
    form = {"csrf_token": log_in(world)}
    part = world.client.post("/admin/words", data=form, headers={"X-Fragment": "main"}).text
    assert 'data-tell="said &lt;once&gt;"' in part and "<label" in part
    assert "said" not in world.client.get("/admin/words").text


def test_pages_are_kept_by_no_cache_and_static_files_for_long(world: World) -> None:
    text = world.client.get("/admin/login")
    assert text.headers["Cache-Control"] == "no-store"
    sheet = text.text.split('rel="stylesheet" href="')[1].split('"')[0]
    with world.client.get(sheet) as answer:
        assert answer.status_code == 200 and "max-age=31536000" in answer.headers["Cache-Control"]


def test_a_login_that_cannot_be_audited_lets_nobody_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = world.api_keys.create(Role.ADMIN, "root", world.clock())
    form = {"csrf_token": token(world), "key": secret}

    def full(_entry: Any) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(world.audit_log, "append", full)
    assert world.client.post("/admin/login", data=form).status_code == 503
    assert world.client.get("/admin").status_code == 303


def test_calls_of_the_api_neither_read_nor_set_the_cookie(world: World) -> None:
    log_in(world)
    for path in ("/health", "/movies", "/models", "/openapi.json"):
        answer = world.client.get(path)
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers.get("Vary", "")
    assert world.client.get("/models").status_code == 401


def test_a_copy_of_the_cookie_ends_with_the_logout(world: World) -> None:
    form = {"csrf_token": log_in(world)}
    copy = world.app.test_client()
    copy.set_cookie("fairreel", world.client.get_cookie("fairreel").value)
    assert copy.get("/admin").status_code == 200
    world.clock.now_ms += 1
    world.client.post("/admin/logout", data=form)
    assert copy.get("/admin").status_code == 303
    world.clock.now_ms += 1
    log_in(world)
    assert world.client.get("/admin").status_code == 200


def test_a_time_stays_in_one_line_and_machines_can_read_it() -> None:
    assert frame.moment(1_763_978_400_000) == (
        '<time datetime="2025-11-24T10:00:00Z">2025-11-24 10:00:00 UTC</time>')
    assert "2025-11-24 10:00 UTC" in frame.moment(1_763_978_400_000, seconds=False)
    assert frame.moment(None) == "never"


@pytest.mark.parametrize(("text", "shown"), [
    ("there is no film m9", "There is no film m9."),
    ("It is so. Wait!", "It is so. Wait!"),
    ("user_id: too long", "user_id: too long."),
])
def test_a_problem_is_told_in_a_sentence(text: str, shown: str) -> None:
    assert frame.sentence(text) == shown


@pytest.mark.parametrize(("text", "shown"), [
    ("`development` is <open>", "<code>development</code> is &lt;open&gt;"),
    ("say `a` or `<b>`", "say <code>a</code> or <code>&lt;b&gt;</code>"),
    ("no code", "no code"),
])
def test_backticks_become_code_and_nothing_else_becomes_markup(text: str, shown: str) -> None:
    assert frame.ticked(text) == shown


def test_a_form_that_is_refused_says_why_where_the_script_reads_it(world: World) -> None:
    log_in(world)
    answer = world.client.get("/admin/events?user_id=a%20b", headers=BROWSER)
    assert answer.status_code == 422
    alert = answer.text.split('role="alert">', 1)[1].split("</p>")[0]
    assert alert.startswith("user_id: must be 1 to 128 characters of A-Z")
    assert "<h1>That value does not fit</h1>" in answer.text
