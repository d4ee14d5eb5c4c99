"""Whether a history tells of an event that was accepted before."""

from __future__ import annotations

import pytest

from recommender.awaited import tells_of
from recommender.types import Event
from tests.fakes import InMemoryEventStore, event_frame
from tests.sample_events import NOW_MS, rating, undo, view, watch


def told(event: Event, *applied: Event) -> bool:
    store = InMemoryEventStore()
    store.apply(event_frame(applied))
    return tells_of(store.history(event.user_id), event)


@pytest.mark.parametrize("event", [rating("b"), watch("b"), view("b")])
def test_an_event_is_told_of_once_it_is_applied(event: Event) -> None:
    assert not told(event)
    assert told(event, event)


def test_an_event_that_a_later_one_of_its_kind_replaced_counts_as_told() -> None:
    assert told(rating("b"), rating("c", rating=1.0))
    assert not told(rating("b"), rating("a"), rating("later", user="u2"))


def test_another_kind_or_film_does_not_tell_of_it() -> None:
    assert not told(rating("b"), watch("c"))
    assert not told(rating("b"), rating("c", item="m2"))


def test_an_undo_is_told_of_when_nothing_older_of_its_film_is_left() -> None:
    taken_back = undo("m", timestamp_ms=NOW_MS + 1)
    assert not told(taken_back, rating("a"), watch("b"))
    assert told(taken_back, rating("a"), watch("b"), taken_back)
    assert told(taken_back, rating("a"), taken_back, rating("z", timestamp_ms=NOW_MS + 2))
    assert told(taken_back, rating("a", item="m2"))
