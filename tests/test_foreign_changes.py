"""Kept histories are dropped when another process changes the store."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from adapters.event_store import SqlEventStore
from recommender.errors import StoreUnavailable
from recommender.kept import KeptUsers
from recommender.ports import EventStore
from recommender.types import Event, EventType, History
from tests.databases_of_tests import KINDS, new_database
from tests.fakes import InMemoryEventStore, event_frame
from workers import foreign_changes
from workers.foreign_changes import ForeignChanges


def rating(number: int, user: str = "u") -> Event:
    return Event(f"e{number}", EventType.RATE, user, f"f{number}", number, number, "test", 4.0)


@pytest.fixture(params=[*KINDS, "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> EventStore:
    if request.param == "memory":
        return InMemoryEventStore()
    return SqlEventStore(new_database(tmp_path, "store", request.param))


class Noted:
    """The changes that a process noticed: sets of users, or "all"."""

    def __init__(self, store: EventStore) -> None:
        self.calls: list[object] = []
        self.changes = ForeignChanges(store, self._users, lambda: self.calls.append("all"))

    def _users(self, users: Collection[str]) -> None:
        self.calls.append(set(users))


def test_what_this_process_applied_is_not_foreign(store: EventStore) -> None:
    noted = Noted(store)
    # Repeats leave gaps in the sequence numbers of PostgreSQL.
    for numbers in ([1, 2], [1, 2, 3], [3, 2, 1], [4]):
        noted.changes.applied(store.apply(event_frame([rating(n) for n in numbers])))
        noted.changes.check()
    assert noted.calls == []


def test_an_import_beside_the_server_is_noticed_once_and_names_its_users(store: EventStore) -> None:
    noted = Noted(store)
    store.apply(event_frame([rating(1, "a"), rating(2, "b")]))
    for _ in range(3):
        noted.changes.check()
    assert noted.calls == [{"a", "b"}]


def test_others_events_are_told_from_our_own_among_them(store: EventStore) -> None:
    noted = Noted(store)
    store.apply(event_frame([rating(1, "theirs")]))
    noted.changes.applied(store.apply(event_frame([rating(2, "ours"), rating(1, "theirs")])))
    store.apply(event_frame([rating(3, "others"), rating(2, "ours")]))
    noted.changes.applied(store.apply(event_frame([rating(4, "ours")])))
    noted.changes.check()
    assert noted.calls == [{"theirs"}, {"others"}]


def test_a_commit_not_yet_told_of_costs_its_own_users_only(store: EventStore) -> None:
    noted = Noted(store)
    done = store.apply(event_frame([rating(1, "ours")]))
    noted.changes.check()
    noted.changes.applied(done)
    noted.changes.check()
    noted.changes.applied(store.apply(event_frame([rating(2, "ours")])))
    noted.changes.check()
    assert noted.calls == [{"ours"}]


def test_more_events_than_can_be_told_apart_concern_everyone(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_changes, "_EVENTS_MAX", 3)
    noted = Noted(store)
    for numbers in (range(3), range(3, 7)):
        store.apply(event_frame([rating(n) for n in numbers]))
        noted.changes.check()
    assert noted.calls == [{"u"}, "all"]


def test_a_store_that_fails_meanwhile_leaves_nothing_kept() -> None:
    class Failing(InMemoryEventStore):
        def users_between(self, after: int, until: int, limit: int) -> set[str] | None:
            raise StoreUnavailable("away")

    noted = Noted(store := Failing())
    store.apply(event_frame([rating(1)]))
    with pytest.raises(StoreUnavailable):
        noted.changes.check()
    assert noted.calls == ["all"]


def count(history: History) -> int:
    return len(history.entries)


def test_kept_users_are_loaded_anew_after_a_foreign_change(store: EventStore) -> None:
    users: KeptUsers[int, str] = KeptUsers(store.history, 10)
    changes = ForeignChanges(store, users.forget, users.forget_all)
    assert users.get("u", 1, count).encoded == 0
    store.apply(event_frame([rating(1)]))
    changes.check()
    assert users.get("u", 1, count).encoded == 1


def test_among_replicas_the_next_answer_shows_what_another_applied(store: EventStore) -> None:
    users: KeptUsers[int, str] = KeptUsers(store.history, 10, store.history_version)
    assert users.get("u", 1, count).encoded == 0
    for number in (1, 2):
        store.apply(event_frame([rating(number)]))
        found = users.get("u", 1, count)
        assert (found.encoded, found.history_version) == (number, store.history_version("u"))
    assert users.get("u", 1, count) is found
    store.apply(event_frame([rating(3, "another")]))
    assert users.get("u", 1, count) is found


def test_what_is_kept_is_used_while_the_store_is_away() -> None:
    store = InMemoryEventStore()
    users: KeptUsers[int, str] = KeptUsers(store.history, 10, store.history_version)
    kept = users.get("u", 1, count)
    store.down = True
    assert users.get("u", 1, count) is kept
    with pytest.raises(StoreUnavailable):
        users.get("v", 1, count)
