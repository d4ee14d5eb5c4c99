"""Keys on a page: made, rotated, revoked; a secret is seen once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from recommender.types import Role
from tests.admin_desk import SURE, Desk, logged_in, text_of

PAGE = "/admin/keys"


def secret_in(answer: Any) -> str:
    found = re.search(r'id="secret">([^<]+)<', answer.text)
    assert found is not None, answer.text
    return found[1]


@pytest.fixture
def desk() -> Desk:
    return logged_in()


def make(desk: Desk, **fields: str) -> Any:
    return desk.post(PAGE, PAGE, **fields)


def test_a_new_key_works_and_its_secret_is_shown_once(desk: Desk) -> None:
    answer = make(desk, role="client", name="shop", user_id="u1")
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    secret = secret_in(answer)
    key = desk.world.api_keys.verify(secret)
    assert key is not None and (key.role, key.name, key.user_id) == (Role.CLIENT, "shop", "u1")
    assert secret not in desk.get(PAGE).text
    assert secret not in (desk.client.get_cookie("fairreel").value)
    assert "Set-Cookie" not in answer.headers or secret not in answer.headers["Set-Cookie"]
    assert all(secret not in repr(entry) for entry in desk.world.audit_log.entries())
    (entry,) = desk.audited("key_create")
    assert (entry.actor, entry.target, entry.detail) == (
        f"key:{desk.key.key_id}", key.key_id, "client")


@pytest.mark.parametrize("fields", [
    {"role": "admin", "name": "x", "user_id": "u1"}, {"role": "king", "name": "x"},
    {"role": "client"}, {"role": "client", "name": "x" * 65}, {"role": "client", "name": "a\x07"},
    {"role": "client", "name": "x", "user_id": "not an id"},
])
def test_a_key_that_makes_no_sense_is_422(desk: Desk, fields: dict[str, str]) -> None:
    before = desk.world.api_keys.keys()
    assert make(desk, **fields).status_code == 422
    assert desk.world.api_keys.keys() == before


def test_names_are_escaped(desk: Desk) -> None:
    make(desk, role="client", name='<script>"x"')
    page = desk.get(PAGE).text
    assert "<script>&#34;" not in page and "&lt;script&gt;" in page


def test_a_rotation_ends_the_old_secret_at_once(desk: Desk) -> None:
    old = secret_in(make(desk, role="client", name="shop", user_id="u1"))
    old_key = desk.world.api_keys.verify(old)
    answer = desk.post(f"{PAGE}/rotate", PAGE, key_id=old_key.key_id, **SURE)
    fresh = desk.world.api_keys.verify(secret_in(answer))
    assert desk.world.api_keys.verify(old) is None
    assert (fresh.role, fresh.name, fresh.user_id) == (Role.CLIENT, "shop", "u1")
    assert [e.target for e in desk.audited("key_revoke")] == [old_key.key_id]


def test_a_rotation_may_leave_the_old_secret_until_it_is_revoked(desk: Desk) -> None:
    old = secret_in(make(desk, role="client", name="shop"))
    key_id = desk.world.api_keys.verify(old).key_id
    desk.post(f"{PAGE}/rotate", PAGE, key_id=key_id, keep_old="true", **SURE)
    assert desk.world.api_keys.verify(old) is not None
    desk.act(f"{PAGE}/revoke", PAGE, key_id=key_id)
    assert desk.world.api_keys.verify(old) is None


def test_who_rotates_the_own_key_stays_logged_in_under_the_new_one(desk: Desk) -> None:
    answer = desk.post(f"{PAGE}/rotate", PAGE, key_id=desk.key.key_id, **SURE)
    fresh = desk.world.api_keys.verify(secret_in(answer))
    assert desk.world.api_keys.verify(desk.secret) is None
    assert desk.get(PAGE).status_code == 200
    make(desk, role="client", name="later")
    assert desk.audited("key_create")[0].actor == f"key:{fresh.key_id}"


def test_a_revocation_is_audited_and_ends_the_key(desk: Desk) -> None:
    secret = secret_in(make(desk, role="client", name="shop"))
    key_id = desk.world.api_keys.verify(secret).key_id
    answer = desk.act(f"{PAGE}/revoke", PAGE, key_id=key_id)
    assert f"Key {key_id} has ended." in answer.text
    assert desk.world.api_keys.verify(secret) is None
    (entry,) = desk.audited("key_revoke")
    assert (entry.actor, entry.outcome) == (f"key:{desk.key.key_id}", "done")
    assert desk.post(f"{PAGE}/revoke", PAGE, key_id=key_id, **SURE).status_code == 404


def test_the_last_live_admin_key_cannot_be_revoked(desk: Desk) -> None:
    make(desk, role="client", name="shop")
    answer = desk.post(f"{PAGE}/revoke", PAGE, key_id=desk.key.key_id, **SURE)
    assert answer.status_code == 409 and "last live administrator" in answer.text
    assert desk.world.api_keys.verify(desk.secret) is not None
    assert desk.audited("key_revoke")[0].outcome == "refused"
    assert "the last admin key cannot be revoked" in desk.text(PAGE)


def test_of_two_admin_keys_one_can_be_revoked(desk: Desk) -> None:
    make(desk, role="admin", name="second")
    assert "cannot be revoked" not in desk.text(PAGE)
    answer = desk.act(f"{PAGE}/revoke", PAGE, key_id=desk.key.key_id)
    assert "Log in" in text_of(answer.text) or answer.status_code == 303
    assert desk.get(PAGE).status_code == 303  # this session named it


@pytest.mark.parametrize("act", ["rotate", "revoke"])
def test_without_scripts_a_page_asks_first(desk: Desk, act: str) -> None:
    secret = secret_in(make(desk, role="client", name="shop"))
    key_id = desk.world.api_keys.verify(secret).key_id
    asked = desk.post(f"{PAGE}/{act}", PAGE, key_id=key_id)
    assert asked.status_code == 200 and key_id in asked.text and "Are you sure?" in asked.text
    assert desk.world.api_keys.verify(secret) is not None


def test_the_list_tells_roles_users_and_which_key_this_session_has(desk: Desk) -> None:
    make(desk, role="client", name="shop", user_id="u9")
    desk.world.api_keys.revoke("key-2", desk.world.clock())
    text = desk.text(PAGE)
    assert f"{desk.key.key_id} this session ops admin any" in text
    assert "key-2 shop client u9" in text and "ended 2026" in text
