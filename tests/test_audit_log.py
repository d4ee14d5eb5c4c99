"""Administrative acts are written down and read newest first."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.audit_log import SqlAuditLog
from recommender.errors import StoreUnavailable
from recommender.ports import AuditLog
from recommender.review import AuditFilter
from recommender.types import AuditEntry
from tests.databases_of_tests import locked, new_database
from tests.fake_administration import InMemoryAuditLog


def entry(at_ms: int) -> AuditEntry:
    return AuditEntry(at_ms, "key:ab12", "rollback", "model 3", "done", "by hand")


def test_entries_come_back_newest_first_also_after_a_restart(tmp_path: Path, kind: str) -> None:
    log = SqlAuditLog(new_database(tmp_path, "store", kind))
    for at_ms in (5, 3, 9):
        log.append(entry(at_ms))
    again = SqlAuditLog(new_database(tmp_path, "store", kind))
    assert again.entries() == [entry(9), entry(3), entry(5)]
    assert again.entries(limit=1) == [entry(9)]


def test_whatever_a_request_holds_the_entry_is_written(tmp_path: Path, kind: str) -> None:
    log = SqlAuditLog(new_database(tmp_path, "store", kind))
    log.append(AuditEntry(1, "a" * 999, "GET /models/\0", "/models/\0\ud800", "401", "x" * 9999))
    (found,) = log.entries()
    assert (found.actor, found.action) == ("a" * 128, "GET /models/\N{SYMBOL FOR NULL}")
    assert (found.target, len(found.detail)) == ("/models/\N{SYMBOL FOR NULL}?", 9999)


def test_an_entry_that_cannot_be_written_is_an_error(tmp_path: Path, kind: str) -> None:
    engine = new_database(tmp_path, "store", kind)
    log = SqlAuditLog(engine)
    with locked(engine), pytest.raises(StoreUnavailable):
        log.append(entry(1))
    assert log.entries() == []


@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_a_search_finds_parts_of_actor_and_action_page_by_page(tmp_path: Path, kind: str) -> None:
    log: AuditLog = InMemoryAuditLog()
    if kind == "sqlite":
        log = SqlAuditLog(new_database(tmp_path, "store"))
    assert log.search(AuditFilter()).entries == ()
    for at_ms, (actor, action) in enumerate([
        ("key:ab", "login"), ("address:1.2.3.4", "login"), ("key:ab", "key_create"),
        ("key:Abc", "model_rollback"), ("100%", "a_b"),
    ]):  # fmt: skip
        log.append(AuditEntry(at_ms, actor, action, "t", "done"))

    def found(actor: str = "", action: str = "") -> list[int]:
        return [each.entry.at_ms for each in log.search(AuditFilter(actor, action)).entries]

    assert found() == [4, 3, 2, 1, 0]
    assert found(actor="KEY:AB") == [3, 2, 0] and found(actor="%") == [4]
    assert found(action="login") == [1, 0] and found("key:", "login") == [0]
    assert found(action="a_b") == [4]
    first = log.search(AuditFilter(actor="key:ab"), limit=2)
    rest = log.search(AuditFilter(actor="key:ab"), first.older, limit=2)
    assert [each.entry.at_ms for each in (*first.entries, *rest.entries)] == [3, 2, 0]
    assert rest.older is None
