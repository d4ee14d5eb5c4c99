"""Administrative acts are written down and read newest first."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.audit_log import SqlAuditLog
from recommender.errors import StoreUnavailable
from recommender.types import AuditEntry
from tests.databases_of_tests import locked, new_database


def entry(at_ms: int) -> AuditEntry:
    return AuditEntry(at_ms, "key:ab12", "rollback", "model 3", "done", "by hand")


def test_entries_come_back_newest_first_also_after_a_restart(tmp_path: Path, kind: str) -> None:
    log = SqlAuditLog(new_database(tmp_path, "store", kind))
    for at_ms in (5, 3, 9):
        log.append(entry(at_ms))
    again = SqlAuditLog(new_database(tmp_path, "store", kind))
    assert again.entries() == [entry(9), entry(3), entry(5)]
    assert again.entries(limit=1) == [entry(9)]


def test_an_entry_that_cannot_be_written_is_an_error(tmp_path: Path, kind: str) -> None:
    engine = new_database(tmp_path, "store", kind)
    log = SqlAuditLog(engine)
    with locked(engine), pytest.raises(StoreUnavailable):
        log.append(entry(1))
    assert log.entries() == []
