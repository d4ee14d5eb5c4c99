"""Erasing a user on a page: asked about first, against forged forms, without the id in any log."""

from __future__ import annotations

import pytest

from recommender.erasure import ErasureReport, Holding
from tests.admin_desk import Desk, logged_in, text_of

PAGE = "/admin/erase"


@pytest.fixture
def desk() -> Desk:
    return logged_in()


def test_it_asks_first_and_then_begins_under_the_name_of_the_key(desk: Desk) -> None:
    asked = desk.post(PAGE, PAGE, user_id="anna")
    assert asked.status_code == 200 and "cannot be undone" in text_of(asked.text)
    assert desk.world.erasure.asked == []
    page = desk.act(PAGE, PAGE, user_id="anna")
    assert desk.world.erasure.asked == [("anna", f"key:{desk.key.key_id}")]
    assert "under way" in text_of(page.text)
    again = desk.act(PAGE, PAGE, user_id="bert")
    assert "Another erasure is under way" in text_of(again.text)
    assert len(desk.world.erasure.asked) == 1


def test_without_a_token_a_login_or_an_id_nothing_begins(desk: Desk) -> None:
    form = {"user_id": "anna", "sure": "yes"}
    assert desk.client.post(PAGE, data=form).status_code == 400
    assert desk.post(PAGE, PAGE, user_id="no id", sure="yes").status_code == 422
    assert desk.post(PAGE, PAGE, sure="yes").status_code == 422
    stranger = desk.world.app.test_client()
    assert stranger.post(PAGE, data=form).status_code in (302, 303, 400, 401)
    assert desk.world.erasure.asked == []


def test_no_log_has_the_id(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.act(PAGE, PAGE, user_id="anna-4711")
    assert all("anna-4711" not in repr(entry) for entry in desk.world.audit_log.entries(100))
    assert "anna-4711" not in capsys.readouterr().err


def test_the_page_tells_what_came_of_it(desk: Desk) -> None:
    desk.act(PAGE, PAGE, user_id="anna")
    desk.world.erasure.finish(ErasureReport(
        "erased:0123456789abcdef", {"events": 12}, {"snapshots": "no <answer>"},
        [("sha256:old", "sha256:new")], [Holding("ratings", 3, 5, 99, None)]))
    text = desk.text(PAGE)
    for told in ("erased:0123456789abcdef", "events 12 removed", "not done: no <answer>",
                 "repeat them", "ratings 3 5 to 99 for ever", "sha256:new"):
        assert told in text
