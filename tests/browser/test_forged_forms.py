"""No form of any page is taken without the token of its session."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from benchmarks.people import People
from benchmarks.program import Program
from benchmarks.visits import Visit, example_values, forms

pytestmark = pytest.mark.needs_tool("chromium")
SEND = """async ([address, fields]) => {
  const answer = await fetch(address, { method: "POST", body: new URLSearchParams(fields) });
  return [answer.status, await answer.text()];
}"""


@pytest.mark.parametrize("form", forms(), ids=str)
def test_a_form_without_the_token_is_refused(
    form: Visit, program: Program, people: People
) -> None:
    address = form.address(example_values(program, people))
    headers = {"Cookie": people.cookie(form.person),
               "Content-Type": "application/x-www-form-urlencoded"}
    answer = program.ask("POST", address, b"csrf_token=made-up", headers)
    assert answer.status == 400
    assert b"was not sent from this page" in answer.body


def test_a_script_that_sends_an_administrators_form_without_its_token_is_refused_and_audited(
    admin: Page, program: Program
) -> None:
    before = program.ask("GET", "/health").json()["model"]["version"]
    admin.goto("/admin")
    status, text = admin.evaluate(SEND, ["/admin/models/rollback", {"sure": "yes"}])
    assert status == 400 and "was not sent from this page" in text
    assert program.ask("GET", "/health").json()["model"]["version"] == before
    admin.goto("/admin/audit")
    assert admin.get_by_role("row").filter(has_text="400 forged form").count() >= 1


def test_a_visitors_rating_without_the_token_is_refused(visitor: Page) -> None:
    visitor.goto("/")
    status, text = visitor.evaluate(SEND, ["/", {"item_id": "m1", "rating": "5"}])
    assert status == 400 and "was not sent from this page" in text
