"""What administrators do in the browser: log in, look, change what serves, mend, hand out keys."""

from __future__ import annotations

import re
from contextlib import closing

import pytest
from playwright.sync_api import Dialog, Page, expect

from benchmarks.people import People, Person, fill_login, log_in
from benchmarks.program import Program
from recommender.types import Role
from tests.browser.accessibility import grave_violations
from tests.browser.conftest import MENDED_FILM, MENDED_USER
from tests.browser.watched import watched_page

pytestmark = pytest.mark.needs_tool("chromium")
TRAINED_WITHIN_MS = 45_000


@pytest.fixture
def asked(admin: Page) -> list[str]:
    """The questions that the pages ask; each is answered with yes."""
    questions: list[str] = []

    def say_yes(dialog: Dialog) -> None:
        questions.append(dialog.message)
        dialog.accept()

    admin.on("dialog", say_yes)
    return questions


def serving(program: Program) -> str:
    health = program.ask("GET", "/health").json()
    return str(health["model"]["version"])


def audited(page: Page, action: str) -> list[str]:
    """The outcomes of this action in the audit log, newest first."""
    page.goto(f"/admin/audit?action={action}")
    return page.locator("tbody tr td:nth-child(5)").all_inner_texts()


# --- who gets in


def test_a_page_leads_to_the_login_and_from_there_back_to_itself(
    visitor: Page, people: People
) -> None:
    visitor.goto("/admin/audit")
    expect(visitor).to_have_url(re.compile("/admin/login"))
    visitor.get_by_label("Administrator's key").fill(people.admin_secret)
    visitor.get_by_role("button", name="Log in").click()
    expect(visitor).to_have_url(re.compile("/admin/audit$"))
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Audit log")


def test_a_wrong_key_is_refused_in_words_and_audited(visitor: Page, people: People) -> None:
    with visitor.expect_response(lambda answer: answer.request.method == "POST") as answered:
        fill_login(visitor, "frk_wrong")
    assert answered.value.status == 401
    expect(visitor.get_by_role("alert").first).to_contain_text("not a live administrator's key")
    expect(visitor.get_by_label("Administrator's key")).to_have_value("")
    visitor.goto("/admin")
    expect(visitor).to_have_url(re.compile("/admin/login"))
    with closing(people.context(Person.ADMIN)) as context:
        assert "401 no administrator's key" in audited(context.new_page(), "login")


def test_after_logging_out_the_pages_are_closed(visitor: Page, leaving_secret: str) -> None:
    log_in(visitor, leaving_secret)
    visitor.get_by_role("button", name="Log out").click()
    expect(visitor).to_have_url(re.compile("/admin/login"))
    visitor.goto("/admin/keys")
    expect(visitor).to_have_url(re.compile("/admin/login"))


def test_a_button_pressed_after_the_session_ended_leads_to_the_login(
    people: People
) -> None:
    with (closing(people.context(Person.ADMIN)) as context,
          watched_page(context, people.address) as (page, _)):
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto("/admin/models")
        context.clear_cookies()
        page.get_by_role("button", name="Retrain now").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Please log in")
        page.get_by_role("link", name="Log in").click()
        expect(page).to_have_url(re.compile("/admin/login"))


# --- models


def test_a_retrain_runs_and_its_model_serves(
    admin: Page, asked: list[str], program: Program
) -> None:
    before = serving(program)
    admin.goto("/admin/models")
    admin.get_by_role("button", name="Retrain now").click()
    expect(admin.get_by_role("status")).to_contain_text("begun")
    published = admin.get_by_role("main").get_by_text("published", exact=True)
    expect(published).to_be_visible(timeout=TRAINED_WITHIN_MS)  # the page looks again by itself
    assert len(asked) == 1
    assert serving(program) != before
    expect(admin.get_by_role("link", name=serving(program))).to_be_visible()


def test_a_question_answered_with_no_changes_nothing(admin: Page, program: Program) -> None:
    before = serving(program)
    admin.goto("/admin/models")
    admin.on("dialog", lambda dialog: dialog.dismiss())
    admin.get_by_role("button", name=re.compile("^Serve version")).first.click()
    expect(admin.get_by_role("status")).to_have_count(0)
    assert serving(program) == before


def test_another_version_is_served_then_the_one_before_it_again(
    admin: Page, asked: list[str], program: Program
) -> None:
    before = serving(program)
    admin.goto("/admin/models")
    admin.get_by_role("button", name=re.compile("^Serve version")).first.click()
    expect(admin.get_by_role("status")).to_contain_text("serves from now on")
    after = serving(program)
    assert after != before
    expect(admin.get_by_text("Held", exact=True)).to_be_visible()
    admin.get_by_role("button", name=re.compile("^Roll back to version")).click()
    expect(admin.get_by_role("status")).to_contain_text("Rolled back")
    assert serving(program) == before
    assert len(asked) == 2
    assert audited(admin, "switch")[0] == audited(admin, "rollback")[0] == "done"


def test_a_name_is_followed(admin: Page, asked: list[str], program: Program) -> None:
    admin.goto("/admin/models")
    admin.get_by_role("combobox", name="Name").select_option("knn")
    admin.get_by_role("button", name="Switch", exact=True).click()
    expect(admin.get_by_role("main").get_by_text("Follows the name")).to_contain_text("knn")
    assert program.ask("GET", "/health").json()["model"]["name"] == "knn"
    admin.get_by_role("combobox", name="Name").select_option("transition_knn")
    admin.get_by_role("button", name="Switch", exact=True).click()
    expect(admin.get_by_role("main").get_by_text("Follows the name")).to_contain_text("transition")
    assert len(asked) == 2


def test_who_was_not_asked_by_the_script_is_asked_by_a_page(admin: Page, program: Program) -> None:
    before = serving(program)
    admin.goto("/admin/models")
    button = admin.get_by_role("button", name=re.compile("^Serve version")).first
    button.evaluate("button => button.form.submit()")
    expect(admin.get_by_role("heading", level=1)).to_have_text("Are you sure?")
    assert grave_violations(admin) == []
    admin.get_by_role("link", name="Cancel").click()
    assert serving(program) == before


def test_a_model_shows_measures_manifest_and_lineage(admin: Page, program: Program) -> None:
    admin.goto(f"/admin/models/{serving(program)}")
    for heading in ("What the gate said", "Measures", "Where it comes from", "Lineage", "Files"):
        expect(admin.get_by_role("heading", level=2, name=heading)).to_be_visible()
    admin.get_by_text("The whole manifest").click()
    expect(admin.get_by_text('"data_snapshot_id"')).to_be_visible()


# --- events, traces


def test_dead_letters_are_found_and_those_that_are_mended_are_put_back(
    admin: Page, asked: list[str], program: Program
) -> None:
    admin.goto("/admin/events/dead-letters")
    expect(admin.get_by_text("rating", exact=False).first).to_be_visible()
    admin.get_by_label("Reason, topic or key").fill("mended")
    admin.get_by_role("button", name="Search").click()
    buttons = admin.get_by_role("button", name=re.compile("^Requeue letter"))
    expect(buttons).to_have_count(1)
    buttons.click()
    expect(admin.get_by_role("status")).to_contain_text("1 put back")
    assert len(asked) == 1
    admin.goto(f"/admin/events?user_id={MENDED_USER}&item_id={MENDED_FILM}")
    for _ in range(50):
        if admin.get_by_role("link", name=MENDED_FILM).count():
            break
        admin.reload()
    expect(admin.get_by_role("link", name=MENDED_FILM).first).to_be_visible()


def test_a_letter_that_is_still_wrong_stays_and_says_why(
    admin: Page, asked: list[str]
) -> None:
    admin.goto("/admin/events/dead-letters?text=rating")
    admin.get_by_role("button", name=re.compile("^Requeue letter")).first.click()
    expect(admin.get_by_role("status")).to_contain_text("still not acceptable")


def test_an_answer_is_looked_up_by_its_request_id(admin: Page, program: Program) -> None:
    answer = program.ask("GET", "/recommend?user_id=u1&k=5")
    admin.goto("/admin/trace")
    admin.get_by_label("Request id", exact=True).fill(answer.headers["x-request-id"])
    admin.get_by_role("button", name="Look up").click()
    first = answer.json()["recommendations"][0]
    expect(admin.get_by_role("row").filter(has_text=first["item_id"])).to_contain_text(
        first["title"])


# --- keys


def test_a_key_is_shown_once_works_and_ends(
    admin: Page, asked: list[str], program: Program
) -> None:
    admin.goto("/admin/keys")
    admin.get_by_label("Who or what uses it").fill("browser test")
    admin.get_by_role("combobox", name="Role").select_option(Role.ADMIN)
    admin.get_by_role("button", name="Make a key").click()
    secret = admin.get_by_role("status", name="The new key").locator("code").inner_text()
    headers = {"X-API-Key": secret}
    assert program.ask("GET", "/models", headers=headers).status == 200
    admin.goto("/admin/keys")
    expect(admin.get_by_text(secret)).to_have_count(0)
    made = admin.get_by_role("row").filter(has_text="browser test")
    made.get_by_role("button", name=re.compile("^Revoke")).click()
    expect(made).to_contain_text("ended")
    assert len(asked) == 1
    assert program.ask("GET", "/models", headers=headers).status == 401


def test_the_settings_in_force_show_where_they_come_from(admin: Page) -> None:
    admin.goto("/admin/settings")
    limit = admin.get_by_role("row").filter(has_text="FAIRREEL_RATE_LIMIT_PER_MINUTE")
    expect(limit).to_contain_text("1000000")
    expect(limit).to_contain_text("environment")
    other = admin.get_by_role("row").filter(has_text="FAIRREEL_SNAPSHOT_INTERVAL_S")
    expect(other).to_contain_text("default")
