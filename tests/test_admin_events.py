"""Events on a page: what was applied, what was set aside, and putting it back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recommender.event_codec import Origin, decode
from recommender.record_batch import KNOWN_WITH_OTHER_CONTENT
from recommender.types import DeadLetter
from tests.admin_desk import SURE, Desk, hidden_fields, logged_in, text_of
from tests.sample_events import NOW_MS, frame_of, rating, search, watch
from web.pages.admin.events import readable

LETTERS = "/admin/events/dead-letters"
GOOD = json.dumps({"user_id": "u7", "item_id": "m7", "rating": 4.5}).encode()


def letter(offset: int, value: bytes = GOOD, reason: str = "cannot be applied: a bug",
           topic: str = "ratings") -> DeadLetter:
    return DeadLetter("c", topic, 0, offset, "u7", value, reason, NOW_MS)


def put(desk: Desk, *letters: DeadLetter) -> None:
    desk.world.store.apply(frame_of([]), dead_letters=letters)


def published(desk: Desk) -> list[dict[str, Any]]:
    return [json.loads(message.value) for message in desk.world.bus.published]


@pytest.fixture
def desk() -> Desk:
    return logged_in()


def test_newest_events_come_first_and_are_searched(desk: Desk) -> None:
    desk.world.apply([rating("e1", rating=3.5), watch("e2", user="u2", minute=40),
                      search("e3", query="<b>stars</b>")])
    answer = desk.get("/admin/events").text
    content = answer[answer.index("<h1"):]
    assert content.index("e3") < content.index("e2") < content.index("e1")
    assert "&lt;b&gt;stars&lt;/b&gt;" in answer and "<b>stars" not in answer
    assert "3.5 stars" in text_of(answer) and "minute 40" in text_of(answer)
    for query, found in (
        ("user_id=u2", ["e2"]), ("user_id=%20u2", ["e2"]), ("type=rate", ["e1"]),
        ("item_id=m1", ["e2", "e1"]), ("user_id=&item_id=&type=&before=", ["e3", "e2", "e1"]),
    ):  # fmt: skip
        text = desk.text(f"/admin/events?{query}")
        assert [name for name in ("e3", "e2", "e1") if name in text] == found, query


@pytest.mark.parametrize("query", ["type=dance", "user_id=x%20y", "before=0", "before=x",
                                   "before=99999999999999999999"])
def test_a_search_that_makes_no_sense_is_422(desk: Desk, query: str) -> None:
    assert desk.get(f"/admin/events?{query}").status_code == 422


def test_older_events_are_a_page_further(desk: Desk) -> None:
    desk.world.apply([rating(f"e{i}-", item=f"m{i}") for i in range(60)])
    first = desk.get("/admin/events").text
    assert "e59-" in first and "e10-" in first and "e9-" not in first
    assert 'href="/admin/events?before=11"' in first
    second = desk.get("/admin/events?before=11").text
    assert "e9-" in second and "e10-" not in second and ">Newest</a>" in second


def test_only_what_was_found_comes_when_the_script_asks(desk: Desk) -> None:
    desk.world.apply([rating("e1")])
    answer = desk.get("/admin/events?user_id=u1", **{"X-Fragment": "found"})
    assert answer.status_code == 200 and "e1" in answer.text and "<form" not in answer.text


def test_dead_letters_show_reason_place_and_an_escaped_short_preview(desk: Desk) -> None:
    put(desk, letter(5, b"\xff\x00<script>alert(1)</script>" + b"y" * 5_000, "not <JSON>"))
    answer = desk.get(LETTERS).text
    assert "<script>alert" not in answer and "not &lt;JSON&gt;" in answer
    assert "\\xff\\x00&lt;script&gt;" in answer and "y" * 200 not in answer
    text = text_of(answer)
    assert "ratings/0/5 key u7" in text and "5 027 bytes" in text and "1 match." in text


def test_one_letter_shows_all_of_its_record(desk: Desk) -> None:
    put(desk, letter(5, b"y" * 5_000))
    assert "y" * 5_000 in desk.text(f"{LETTERS}/1")
    assert desk.get(f"{LETTERS}/2").status_code == 404
    assert desk.get(f"{LETTERS}/no-number").status_code == 404


def test_letters_are_searched_by_reason_topic_and_key(desk: Desk) -> None:
    put(desk, letter(1, reason="rating: too high"), letter(2, topic="watch-events"))
    assert "ratings/0/1" in desk.text(f"{LETTERS}?text=TOO")
    assert "ratings/0/1" not in desk.text(f"{LETTERS}?text=watch")
    assert "2 match." in desk.text(f"{LETTERS}?text=u7")
    assert "No dead letter here." in desk.text(f"{LETTERS}?text=nothing")


def test_requeue_publishes_the_event_under_its_first_id_marks_and_audits(desk: Desk) -> None:
    put(desk, letter(5))
    page = desk.act(f"{LETTERS}/requeue", LETTERS, sequence="1")
    assert "1 put back on the topic." in page.text
    (event,) = published(desk)
    row = decode(GOOD, Origin("c", "ratings", 0, 5, NOW_MS))
    assert event["event_id"] == row[0] and event["rating"] == 4.5 and event["type"] == "rate"
    assert (event["timestamp"], event["received_at"]) == (NOW_MS, NOW_MS)
    assert desk.world.bus.published[0].topic == "ratings"
    assert desk.world.bus.published[0].key == "u7"
    (entry,) = desk.audited("dead_letter_requeue")
    assert (entry.actor, entry.target, entry.outcome) == (
        f"key:{desk.key.key_id}", "letter 1", "done")


def test_a_letter_put_back_is_offered_again_only_with_a_word(desk: Desk) -> None:
    put(desk, letter(5))
    desk.act(f"{LETTERS}/requeue", LETTERS, sequence="1")
    assert "No dead letter here." in desk.text(LETTERS)
    text = desk.text(f"{LETTERS}?state=requeued")
    assert f"by key:{desk.key.key_id}" in text and "Requeue again" in text
    assert "It was put back before." in desk.get(f"{LETTERS}?state=all").text
    desk.act(f"{LETTERS}/requeue", LETTERS, sequence="1")
    first, second = published(desk)
    assert first == second


@pytest.mark.parametrize(("value", "reason"), [
    (b"no json", "not JSON"), (b'{"user_id":"u","item_id":"m","rating":77}', "rating: not 0.5"),
])
def test_what_is_still_not_acceptable_stays_with_its_reason(
    desk: Desk, value: bytes, reason: str
) -> None:
    put(desk, letter(5, value))
    page = desk.act(f"{LETTERS}/requeue", LETTERS, sequence="1")
    assert f"1 still not acceptable: {reason}" in text_of(page.text)
    assert published(desk) == [] and "ratings/0/5" in desk.text(LETTERS)
    assert desk.audited("dead_letter_requeue")[0].outcome == "refused"


def test_an_event_whose_id_another_has_is_never_put_back(desk: Desk) -> None:
    put(desk, letter(5, reason=KNOWN_WITH_OTHER_CONTENT))
    desk.act(f"{LETTERS}/requeue", LETTERS, sequence="1")
    assert published(desk) == []


def test_all_that_match_are_put_back_and_no_others(desk: Desk) -> None:
    put(desk, letter(1), letter(2, reason="other"), letter(3), letter(4, b"broken"))
    page = desk.act(f"{LETTERS}/requeue-matching", LETTERS, text="A BUG")
    text = text_of(page.text)
    assert "2 put back on the topic." in text and "1 still not acceptable" in text
    assert len(published(desk)) == 2
    assert "No letter matches." in desk.act(
        f"{LETTERS}/requeue-matching", LETTERS, text="nothing").text
    assert "1 put back" in desk.act(f"{LETTERS}/requeue-matching", LETTERS, text="other").text


def test_a_bus_that_is_away_leaves_the_letters_open(desk: Desk) -> None:
    put(desk, letter(1))
    desk.world.bus.down = True
    answer = desk.post(f"{LETTERS}/requeue", LETTERS, sequence="1", **SURE)
    assert answer.status_code == 503 and "ratings/0/1" in desk.text(LETTERS)
    assert desk.audited("dead_letter_requeue")[0].outcome == "failed"


def test_an_unknown_letter_is_404(desk: Desk) -> None:
    assert desk.post(f"{LETTERS}/requeue", LETTERS, sequence="9", **SURE).status_code == 404
    assert desk.post(f"{LETTERS}/requeue", LETTERS, sequence="x", **SURE).status_code == 422


def test_without_scripts_a_page_asks_first(desk: Desk) -> None:
    put(desk, letter(1), letter(2))
    asked = desk.post(f"{LETTERS}/requeue-matching", LETTERS, text="bug")
    assert "all 2 open letters with \u201cbug\u201d" in text_of(asked.text)
    assert published(desk) == []
    done = desk.client.post(f"{LETTERS}/requeue-matching", data=hidden_fields(asked.text))
    assert done.status_code == 303 and len(published(desk)) == 2


def test_bytes_are_shown_as_text_without_control_characters() -> None:
    assert readable("gr\u00fcn\x1b[31m\u202e".encode() + b"\xff\n\t") == (
        "gr\u00fcn\\x1b[31m\\u202e\\xff\n\t")
