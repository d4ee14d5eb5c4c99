"""Keeping histories and lists in memory never shows in an answer."""

from __future__ import annotations

from recommender.kept import LISTS_PER_USER, KeptUsers
from recommender.types import History


def versions(history: History) -> int:
    return history.version


def test_a_kept_user_is_loaded_once() -> None:
    loaded: list[str] = []

    def load(user_id: str) -> History:
        loaded.append(user_id)
        return History(user_id, 7)

    users: KeptUsers[int, str] = KeptUsers(load, 10)
    first = users.get("u", 1, versions)
    assert users.get("u", 1, versions) is first
    assert loaded == ["u"] and first.encoded == 7


def test_a_forgotten_user_is_loaded_again() -> None:
    store = {"u": 1}
    users: KeptUsers[int, str] = KeptUsers(lambda u: History(u, store[u]), 10)
    assert users.get("u", 1, versions).encoded == 1
    store["u"] = 2
    users.forget(["u"])
    assert users.get("u", 1, versions).encoded == 2


def test_another_model_ignores_what_the_first_kept() -> None:
    users: KeptUsers[str, str] = KeptUsers(lambda u: History(u, 1), 10)
    old = users.get("u", 1, lambda _: "old model")
    old.keep("k=10", "old list")
    new = users.get("u", 2, lambda _: "new model")
    assert new.encoded == "new model" and new.lists == {}


def test_a_history_read_while_an_event_was_applied_is_not_kept() -> None:
    users: KeptUsers[int, str]

    def load(user_id: str) -> History:
        users.forget([user_id])  # the event lands between the read and the keeping
        return History(user_id, 1)

    users = KeptUsers(load, 10)
    users.get("u", 1, versions)
    assert len(users) == 0


def test_the_least_recently_used_user_goes_first() -> None:
    users: KeptUsers[int, str] = KeptUsers(lambda u: History(u, 1), 2)
    a = users.get("a", 1, versions)
    users.get("b", 1, versions)
    users.get("a", 1, versions)
    users.get("c", 1, versions)
    assert len(users) == 2
    assert users.get("a", 1, versions) is a


def test_nothing_is_kept_with_a_maximum_of_zero() -> None:
    users: KeptUsers[int, str] = KeptUsers(lambda u: History(u, 1), 0)
    users.get("a", 1, versions)
    assert len(users) == 0


def test_lists_of_one_user_stay_bounded() -> None:
    users: KeptUsers[int, str] = KeptUsers(lambda u: History(u, 1), 5)
    user = users.get("a", 1, versions)
    for number in range(1000):
        user.keep(number, "list")
        assert len(user.lists) <= LISTS_PER_USER
