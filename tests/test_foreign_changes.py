"""Kept histories are dropped when another process changes the store."""

from __future__ import annotations

from recommender.kept import KeptUsers
from recommender.types import Event, EventType, History
from tests.fakes import InMemoryEventStore, event_frame
from workers.foreign_changes import ForeignChanges


def rating(number: int) -> Event:
    return Event(f"e{number}", EventType.RATE, "u", f"f{number}", number, number, "test", 4.0)


def test_what_this_process_applied_is_not_foreign() -> None:
    store, calls = InMemoryEventStore(), []
    changes = ForeignChanges(store, lambda: calls.append("foreign"))
    changes.applied(store.apply(event_frame([rating(1), rating(2)])).applied)
    for _ in range(3):
        changes.check()
    assert calls == []


def test_a_commit_not_yet_told_of_is_not_foreign() -> None:
    store, calls = InMemoryEventStore(), []
    changes = ForeignChanges(store, lambda: calls.append("foreign"))
    applied = store.apply(event_frame([rating(1)])).applied
    changes.check()
    changes.applied(applied)
    changes.check()
    changes.check()
    assert calls == []


def test_an_import_beside_the_server_is_noticed_once() -> None:
    store, calls = InMemoryEventStore(), []
    changes = ForeignChanges(store, lambda: calls.append("foreign"))
    store.apply(event_frame([rating(1)]))
    for _ in range(4):
        changes.check()
    assert calls == ["foreign"]


def test_kept_users_are_loaded_anew_after_a_foreign_change() -> None:
    store = InMemoryEventStore()
    users: KeptUsers[int, str] = KeptUsers(store.history, 10)

    def count(history: History) -> int:
        return len(history.entries)

    changes = ForeignChanges(store, users.forget_all)
    assert users.get("u", 1, count).encoded == 0
    store.apply(event_frame([rating(1)]))
    changes.check()
    changes.check()
    assert users.get("u", 1, count).encoded == 1
