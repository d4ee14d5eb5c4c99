"""What every review of events and dead letters promises; each adapter is one line in REVIEWS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from adapters.event_review import SqlEventReview
from adapters.event_store import SqlEventStore
from recommender.ports import EventReview, EventStore
from recommender.review import PREVIEW_BYTES, EventFilter, LetterFilter, LetterState
from recommender.types import DeadLetter, EventType
from tests.databases_of_tests import new_database
from tests.fake_review import InMemoryEventReview
from tests.fakes import InMemoryEventStore
from tests.sample_events import frame_of, rating, search, watch


class Desk(NamedTuple):
    store: EventStore
    review: EventReview


def in_sqlite(folder: Path) -> Desk:
    engine = new_database(folder, "store")
    return Desk(SqlEventStore(engine), SqlEventReview(engine))


def in_memory(_folder: Path) -> Desk:
    store = InMemoryEventStore()
    return Desk(store, InMemoryEventReview(store))


REVIEWS: dict[str, Callable[[Path], Desk]] = {"sqlite": in_sqlite, "memory": in_memory}
ALL = LetterFilter(state=LetterState.ALL)


@pytest.fixture(params=REVIEWS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    return REVIEWS[request.param](tmp_path)


def letter(
    offset: int, reason: str = "bad", topic: str = "ratings", key: str | None = "u1",
    value: bytes = b"\xff\x00bad",
) -> DeadLetter:  # fmt: skip
    return DeadLetter("c", topic, 0, offset, key, value, reason, 1_000 + offset)


def put(desk: Desk, *letters: DeadLetter) -> None:
    desk.store.apply(frame_of([]), dead_letters=letters)


def ids(desk: Desk, wanted: EventFilter, **how: int | None) -> list[str]:
    return [each.event.event_id for each in desk.review.events(wanted, **how).entries]


def offsets(desk: Desk, wanted: LetterFilter, **how: int | None) -> list[int]:
    return [each.letter.offset for each in desk.review.letters(wanted, **how).entries]


def test_an_empty_store_has_nothing_to_look_through(desk: Desk) -> None:
    assert desk.review.events(EventFilter()).entries == ()
    assert desk.review.events(EventFilter()).older is None
    assert desk.review.letters(ALL).entries == () and desk.review.count_letters(ALL) == 0
    assert desk.review.letters_numbered([1, 2]) == []
    assert desk.review.mark_requeued([1], 5, "key:a") == 0


def test_events_come_newest_first_as_they_were_applied(desk: Desk) -> None:
    events = [rating("a", rating=3.5), watch("b", minute=12), search("c", query="wörter")]
    desk.store.apply(frame_of(events))
    found = desk.review.events(EventFilter())
    assert [each.event for each in found.entries] == events[::-1]
    assert [each.sequence for each in found.entries] == [3, 2, 1] and found.older is None


def test_events_are_found_by_user_film_and_type(desk: Desk) -> None:
    desk.store.apply(frame_of([
        rating("a"), rating("b", user="u2"), watch("c", item="m2"), search("d"), watch("e"),
    ]))  # fmt: skip
    assert ids(desk, EventFilter(user_id="u1")) == ["e", "d", "c", "a"]
    assert ids(desk, EventFilter(item_id="m1")) == ["e", "b", "a"]
    assert ids(desk, EventFilter(type=EventType.WATCH)) == ["e", "c"]
    assert ids(desk, EventFilter("u1", "m1", EventType.RATE)) == ["a"]
    assert ids(desk, EventFilter(user_id="U1")) == []


def test_pages_of_events_hold_each_once(desk: Desk) -> None:
    desk.store.apply(frame_of([rating(f"e{i}", item=f"m{i}") for i in range(7)]))
    first = desk.review.events(EventFilter(), limit=3)
    assert [each.event.event_id for each in first.entries] == ["e6", "e5", "e4"]
    second = desk.review.events(EventFilter(), first.older, limit=3)
    third = desk.review.events(EventFilter(), second.older, limit=3)
    assert [each.event.event_id for each in (*second.entries, *third.entries)] == [
        "e3", "e2", "e1", "e0"]
    assert third.older is None


def test_a_search_reaches_only_so_far_and_tells_where_to_go_on(desk: Desk) -> None:
    desk.store.apply(frame_of([rating(f"e{i}", f"u{i}") for i in range(10)]))
    wanted = EventFilter(user_id="u1")
    first = desk.review.events(wanted, reach=4)
    assert first.entries == () and first.older == 7
    second = desk.review.events(wanted, first.older, reach=4)
    assert second.entries == () and second.older == 3
    third = desk.review.events(wanted, second.older, reach=4)
    assert [each.event.event_id for each in third.entries] == ["e1"] and third.older is None


def test_letters_come_newest_first_with_their_size_and_time(desk: Desk) -> None:
    put(desk, letter(0), letter(1, value=b"x" * (PREVIEW_BYTES + 9)))
    newest, oldest = desk.review.letters(ALL).entries
    assert oldest.letter == letter(0) and oldest.size == 5
    assert newest.size == PREVIEW_BYTES + 9 and newest.letter.value == b"x" * PREVIEW_BYTES
    assert newest.letter.timestamp_ms == 1_001
    assert (newest.requeued_at_ms, newest.requeued_by) == (None, None)


def test_letters_by_number_hold_all_of_their_values(desk: Desk) -> None:
    long = letter(1, value=bytes(range(256)) * 50)
    put(desk, letter(0), long, letter(2))
    numbers = {s.letter.offset: s.sequence for s in desk.review.letters(ALL).entries}
    found = desk.review.letters_numbered([numbers[1], numbers[0], 999])
    assert [s.letter for s in found] == [long, letter(0)]


def test_letters_are_found_by_reason_topic_or_key_in_any_case(desk: Desk) -> None:
    put(desk, letter(0, reason="rating: not a NUMBER"), letter(1, topic="watch-events"),
        letter(2, key="Numbered"), letter(3, key=None), letter(4, reason="100% odd_one"))
    assert offsets(desk, LetterFilter("number")) == [2, 0]
    assert offsets(desk, LetterFilter("WATCH")) == [1]
    assert offsets(desk, LetterFilter("0% o")) == [4]
    assert offsets(desk, LetterFilter("odd_")) == [4]
    assert offsets(desk, LetterFilter("%")) == [4]
    assert desk.review.count_letters(LetterFilter("number")) == 2


def test_pages_of_letters_hold_each_once(desk: Desk) -> None:
    put(desk, *(letter(i) for i in range(5)))
    first = desk.review.letters(ALL, limit=2)
    second = desk.review.letters(ALL, first.older, limit=2)
    third = desk.review.letters(ALL, second.older, limit=2)
    seen = [s.letter.offset for page in (first, second, third) for s in page.entries]
    assert seen == [4, 3, 2, 1, 0] and third.older is None


def test_a_mark_says_when_and_by_whom_and_takes_the_letter_off_the_open_ones(desk: Desk) -> None:
    put(desk, letter(0), letter(1))
    number = desk.review.letters(ALL).entries[0].sequence
    assert desk.review.mark_requeued([number, 999], 77, "key:ab") == 1
    assert offsets(desk, LetterFilter()) == [0]
    (marked,) = desk.review.letters(LetterFilter(state=LetterState.REQUEUED)).entries
    assert (marked.letter, marked.requeued_at_ms, marked.requeued_by) == (letter(1), 77, "key:ab")
    assert desk.review.mark_requeued([number], 99, "key:cd") == 1
    assert desk.review.letters_numbered([number])[0].requeued_at_ms == 99
    assert (desk.review.count_letters(LetterFilter()), desk.review.count_letters(ALL)) == (1, 2)


def test_the_numbers_of_letters_do_not_change_their_place_in_the_store(desk: Desk) -> None:
    put(desk, letter(0), letter(1))
    desk.review.mark_requeued([1, 2], 5, "key:a")
    assert desk.store.dead_letters() == [letter(1), letter(0)]
