"""The audit log on a page: newest first, searched, page by page."""

from __future__ import annotations

import pytest

from recommender.types import AuditEntry
from tests.admin_desk import Desk, logged_in


def note(desk: Desk, number: int, actor: str = "key:ab", action: str = "retrain") -> None:
    desk.world.audit_log.append(
        AuditEntry(number, actor, action, f"target-{number}-", "done", "<i>detail</i>"))


@pytest.fixture
def desk() -> Desk:
    return logged_in()


def test_entries_come_newest_first_and_escaped(desk: Desk) -> None:
    note(desk, 1)
    note(desk, 2)
    page = desk.get("/admin/audit").text
    assert page.index("target-2-") < page.index("target-1-") < page.index("request ")
    assert "<i>detail" not in page and "&lt;i&gt;detail" in page


def test_they_are_found_by_actor_and_action(desk: Desk) -> None:
    note(desk, 1, "key:ab", "retrain")
    note(desk, 2, "key:cd", "model_switch")
    assert "target-1-" not in desk.text("/admin/audit?actor=KEY:CD")
    assert "target-2-" in desk.text("/admin/audit?action=switch")
    assert "target-1-" not in desk.text("/admin/audit?action=switch&actor=")
    assert "No entry here." in desk.text("/admin/audit?actor=nobody")


def test_older_entries_are_a_page_further_under_the_same_search(desk: Desk) -> None:
    for number in range(1, 61):
        note(desk, number)
    first = desk.get("/admin/audit?actor=key:ab").text
    assert "target-60-" in first and "target-10-" not in first
    assert 'before=12&amp;actor=key:ab' in first
    second = desk.get("/admin/audit?before=12&actor=key:ab").text
    assert "target-10-" in second and "target-11-" not in second
    assert ">Newest</a>" in second and ">Older</a>" not in second


@pytest.mark.parametrize("query", ["before=x", "before=-1", f"actor={'a' * 200}"])
def test_a_search_that_makes_no_sense_is_422(desk: Desk, query: str) -> None:
    assert desk.get(f"/admin/audit?{query}").status_code == 422
