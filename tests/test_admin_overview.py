"""The overview tells the state of every part, the jobs and the traffic."""

from __future__ import annotations

import pytest

from recommender.program_state import Condition, JobState, PartState
from recommender.traffic import TrafficMinute
from recommender.types import DeadLetter, ModelStatus
from tests.admin_desk import Desk, logged_in, text_of
from tests.sample_events import frame_of, rating
from tests.web_world import NOW_MS
from web.pages.admin.remedies import complaints


@pytest.fixture
def desk() -> Desk:
    made = logged_in()
    made.world.add_model("20261121T003000Z", ModelStatus.SERVING, name="transition_knn")
    return made


def test_it_tells_model_counts_and_parts(desk: Desk) -> None:
    desk.world.apply([rating("a"), rating("b", user="u2", item="m2")])
    desk.world.clock.now_ms += 90_000
    says = "paused: the store is away; 12 records not yet applied"
    desk.world.program.of_parts = [PartState("Ingest", Condition.WARN, says)]
    text = desk.text("/admin")
    assert "transition_knn, version 1" in text and "90 s" in text
    assert "Events applied 2" in text and "Users 2" in text
    assert "Store ok answers" in text and "Model ok serves" in text
    assert f"Ingest look {says}" in text


def test_what_is_away_is_bad_or_worth_a_look(desk: Desk) -> None:
    desk.world.bus_up = False
    desk.world.outbox.refuses = True
    text = desk.text("/admin")
    assert "Bus look no broker" in text and "Outbox look does not answer" in text
    assert "Events waiting \u2013" in text


def test_at_the_top_it_tells_what_is_wrong_and_what_to_do_the_worst_first(desk: Desk) -> None:
    desk.world.bus_up = False
    desk.world.program.of_parts = [
        PartState("Retrain", Condition.OFF, "none since the start"),
        PartState("Model watch", Condition.BAD, "refused: 20261121T003000Z (signature)")]
    text = desk.text("/admin")
    told = text[:text.index("State of each part")]
    assert "2 of 6 parts need a look" in told and "All parts are well." not in told
    assert told.index("fairreel registry verify") < told.index("Look whether the broker")
    assert "Retrain" not in told


def test_every_part_that_can_be_unwell_has_a_remedy_of_its_own() -> None:
    checked = ["Store", "Model", "Bus", "Outbox"]
    working = ["Ingest", "Scheduler", "Response log", "Retrain", "Model watch"]
    found = complaints(PartState(name, Condition.WARN, "") for name in (*checked, *working))
    texts = {complaint.remedy.text for complaint in found}
    assert len(texts) == len(checked) + len(working)
    assert complaints([PartState("Other", Condition.BAD, "")])[0].remedy.text not in texts


def test_when_nothing_is_wrong_it_says_so(desk: Desk) -> None:
    text = desk.text("/admin")
    assert "All parts are well." in text and "need a look" not in text


def test_dead_letters_lead_to_their_page_where_there_are_some(desk: Desk) -> None:
    link = '<a href="/admin/events/dead-letters">look through</a>'
    assert link not in desk.get("/admin").text
    desk.world.clock.now_ms += 10_000
    desk.world.store.apply(frame_of([]), dead_letters=[
        DeadLetter("x", "ratings", 0, 0, None, b"{}", "a reason", NOW_MS)])
    assert link in desk.get("/admin").text


def test_without_a_model_it_says_so() -> None:
    text = logged_in().text("/admin")
    assert "Model none yet" in text and "Model bad no model yet" in text


def test_jobs_have_their_last_and_next_run(desk: Desk) -> None:
    desk.world.program.of_jobs = [
        JobState("snapshot", 3600, False, NOW_MS - 5_000, 2.4, None, 0, NOW_MS + 600_000),
        JobState("retention", 3600, False, NOW_MS, 0.1, "OSError: disk", 3, NOW_MS + 5_000),
        JobState("retrain", 10_800, True, NOW_MS), JobState("cards", 5.0),
    ]
    text = desk.text("/admin")
    assert "snapshot 60 min 2026-11-18" in text and "2 s done 0 10 min" in text
    assert "failed OSError: disk 3 5 s" in text
    assert "running 0 not again" in text and "cards 5 s never \u2013 not yet 0 not again" in text


def test_charts_have_their_numbers_in_a_table(desk: Desk) -> None:
    desk.world.program.of_minutes = [
        TrafficMinute(NOW_MS - 60_000, 12.5, 0.002, 0.0415, 30, 28),
        TrafficMinute(NOW_MS, 3.25, None, None, 0, 2),
    ]
    answer = desk.get("/admin").text
    assert answer.count('role="img"') == 3
    text = text_of(answer)
    assert "half within 95 % within" in text and "2.0 41.5" in text and "\u2013 \u2013" in text
    assert "12.5" in text and "30 28" in text
    assert 'd="M20.0,' in answer


def test_the_state_comes_alone_when_the_script_asks_for_it(desk: Desk) -> None:
    answer = desk.get("/admin", **{"X-Fragment": "state"})
    assert answer.status_code == 200 and "<html" not in answer.text
    assert "State of each part" in answer.text and "<h1>" not in answer.text


def test_counts_are_taken_anew_after_ten_seconds(desk: Desk) -> None:
    assert "Events applied 0" in desk.text("/admin")
    desk.world.apply([rating("a")])
    assert "Events applied 0" in desk.text("/admin")
    desk.world.clock.now_ms += 10_000
    assert "Events applied 1" in desk.text("/admin")
