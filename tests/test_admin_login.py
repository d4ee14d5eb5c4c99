"""Administrators log in with their key; what a session opens, and when it ends."""

from __future__ import annotations

from typing import Any

import pytest

from recommender.types import Role
from tests.admin_desk import Desk, logged_in, token_of
from web.operations import Who

PAGES = ["/admin", "/admin/models", "/admin/events", "/admin/events/dead-letters", "/admin/trace",
         "/admin/keys", "/admin/settings", "/admin/audit", "/admin/erase", "/admin/fairness",
         "/admin/loops", "/admin/loop-simulation"]
ACTS = ["/admin/models/retrain", "/admin/models/switch", "/admin/models/rollback",
        "/admin/events/dead-letters/requeue", "/admin/events/dead-letters/requeue-matching",
        "/admin/keys", "/admin/keys/rotate", "/admin/keys/revoke", "/admin/erase"]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def cookie_of(answer: Any) -> str:
    found: str = answer.headers["Set-Cookie"]
    return found


def test_the_lists_of_pages_and_acts_above_are_complete(desk: Desk) -> None:
    table = desk.world.surface.table
    ours = {(o.method, o.rule) for o in table.operations
            if o.page and o.who is Who.ADMIN and "<" not in o.rule}
    assert ours == {("GET", p) for p in PAGES} | {("POST", p) for p in ACTS}
    assert all(o.who is Who.ADMIN for o in table.operations
               if o.rule.startswith("/admin") and not o.rule.endswith(("/login", "/logout")))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_leads_to_the_login_and_from_there_back(desk: Desk, path: str) -> None:
    answer = desk.get(f"{path}?before=5")
    assert answer.status_code == 303 and answer.location.startswith("/admin/login?next=")
    login = desk.get(answer.location)
    assert f'name="next" value="{path}?before=5"' in login.text
    assert desk.world.audit_log.entries() == []
    done = desk.log_in(next=f"{path}?before=5")
    assert done.status_code == 303 and done.location == f"{path}?before=5"
    assert desk.get(path).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_not_kept_by_any_cache_and_have_one_heading(path: str) -> None:
    answer = logged_in().get(path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.text.count("<h1>") == 1 and " style=" not in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_a_login_is_audited_under_the_key(desk: Desk) -> None:
    desk.log_in()
    (entry,) = desk.audited("login")
    assert (entry.actor, entry.outcome) == (f"key:{desk.key.key_id}", "done")


@pytest.mark.parametrize("secret", ["wrong", "secret-1-op", "\u00e9", "x" * 100_000])
def test_a_wrong_key_is_401_and_audited(desk: Desk, secret: str) -> None:
    answer = desk.log_in(secret)
    assert answer.status_code == 401 and "not a live administrator" in answer.text
    assert secret not in answer.text
    (entry,) = desk.audited("login")
    assert entry.actor == "address:127.0.0.1" and entry.outcome.startswith("401")
    assert secret not in repr(entry)
    assert desk.get("/admin").status_code == 303


def test_a_clients_key_does_not_log_in(desk: Desk) -> None:
    _, secret = desk.world.api_keys.create(Role.CLIENT, "shop", 1)
    assert desk.log_in(secret).status_code == 401
    assert desk.get("/admin").status_code == 303


def test_a_revoked_key_does_not_log_in(desk: Desk) -> None:
    desk.world.api_keys.revoke(desk.key.key_id, 5)
    assert desk.log_in().status_code == 401


def test_attempts_are_limited_by_address() -> None:
    desk = Desk(login_limit="3 per minute")
    assert [desk.log_in("wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
    last = desk.log_in()
    assert last.status_code == 429 and int(last.headers["Retry-After"]) > 0
    assert desk.get("/admin").status_code == 303


def test_the_session_ends_when_its_key_is_revoked() -> None:
    desk = logged_in()
    desk.world.api_keys.revoke(desk.key.key_id, desk.world.clock())
    assert desk.get("/admin").status_code == 303


def test_the_session_ends_after_its_time_however_busy_it_was() -> None:
    desk = logged_in(session_s=3600)
    desk.world.clock.now_ms += 3_600_000
    assert desk.get("/admin").status_code == 200
    desk.world.clock.now_ms += 1
    assert desk.get("/admin").status_code == 303


def test_logging_out_ends_the_session() -> None:
    desk = logged_in()
    answer = desk.post("/admin/logout", "/admin")
    assert answer.status_code == 303 and answer.location == "/admin/login"
    assert desk.get("/admin").status_code == 303
    assert [entry.outcome for entry in desk.audited("login")] == ["ended", "done"]


@pytest.mark.parametrize("path", [*ACTS, "/admin/logout", "/admin/login"])
def test_a_form_without_the_token_is_400_audited_and_does_nothing(path: str) -> None:
    desk = logged_in()
    before = desk.world.api_keys.keys()
    answer = desk.client.post(path, data={"sure": "yes", "role": "admin", "name": "x"})
    assert answer.status_code == 400 and "reload the page" in answer.text
    newest = desk.world.audit_log.entries()[0]
    assert newest.outcome == "400 forged form" and newest.action == f"POST {path}"[:64]
    assert not desk.world.retrain.status().running and desk.world.api_keys.keys() == before


@pytest.mark.parametrize("path", ACTS)
def test_an_act_without_a_session_is_401_and_audited(desk: Desk, path: str) -> None:
    answer = desk.post(path, sure="yes")
    assert answer.status_code == 401
    (entry,) = desk.world.audit_log.entries()
    assert entry.outcome == "401 no live key" and entry.actor == "address:127.0.0.1"
    assert not desk.world.retrain.status().running


def test_a_token_of_before_the_login_does_not_count_after_it(desk: Desk) -> None:
    early = token_of(desk.get("/admin/login").text)
    desk.log_in()
    answer = desk.client.post("/admin/models/retrain", data={"csrf_token": early, "sure": "yes"})
    assert answer.status_code == 400 and not desk.world.retrain.status().running


def test_a_token_of_another_session_does_not_count() -> None:
    desk = logged_in()
    other = Desk(desk.world)
    other.log_in()
    token = token_of(other.get("/admin").text)
    answer = desk.client.post("/admin/models/retrain", data={"csrf_token": token, "sure": "yes"})
    assert answer.status_code == 400 and not desk.world.retrain.status().running


@pytest.mark.parametrize("address", [
    "https://evil.example/admin", "//evil.example", "/\\evil.example", "/admin//evil.example",
    "javascript:alert(1)", "/adminevil", "/admin/\nx", "http:/admin", "", "/", "/recommend",
])
def test_a_login_leads_to_no_other_place_than_the_pages(desk: Desk, address: str) -> None:
    done = desk.log_in(next=address)
    assert done.status_code == 303 and done.location == "/admin"
    form = desk.client.get("/admin/login", query_string={"next": address}).text
    assert 'name="next" value="/admin"' in form


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(desk: Desk) -> None:
    cookie = cookie_of(desk.log_in())
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
    assert "Secure" not in cookie


def test_production_sends_the_cookie_over_https_only() -> None:
    assert "; Secure" in cookie_of(Desk(cookies_secure=True).get("/admin/login"))


def test_the_cookie_holds_no_secret(desk: Desk) -> None:
    assert desk.secret not in cookie_of(desk.log_in())


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/models"), ("POST", "/models/retrain"), ("POST", "/switch?model=knn"),
])
def test_a_session_does_not_open_the_api(method: str, path: str) -> None:
    desk = logged_in()
    answer = desk.client.open(path, method=method)
    assert answer.status_code == 401 and answer.mimetype == "application/problem+json"
    assert not desk.world.retrain.status().running


def test_a_key_in_a_header_does_not_open_the_pages(desk: Desk) -> None:
    answer = desk.get("/admin", Authorization=f"Bearer {desk.secret}")
    assert answer.status_code == 303


def test_a_forged_or_changed_cookie_opens_nothing() -> None:
    desk = logged_in()
    good = desk.client.get_cookie("fairreel").value
    stranger = logged_in(session_secret=b"another secret of 32 bytes......")
    foreign = stranger.client.get_cookie("fairreel").value
    for forged in (foreign, good[:-4] + "AAAA", "x" + good, "", "not.a.cookie"):
        desk.client.set_cookie("fairreel", forged)
        assert desk.get("/admin").status_code == 303, forged
    desk.client.set_cookie("fairreel", good)
    assert desk.get("/admin").status_code == 200


def test_a_store_that_does_not_answer_is_told_on_a_page() -> None:
    desk = logged_in()
    desk.world.api_keys.down = True
    answer = desk.get("/admin")
    assert answer.status_code == 503 and answer.mimetype == "text/html"
    assert "store cannot take the work" in answer.text
