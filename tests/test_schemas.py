"""The schema that a batch of events must meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from recommender.schemas import EVENT_SCHEMA, Columns, event_frame, event_schema, validate
from tests.sample_events import NOW_MS, frame_of, rating, search, undo, view, watch

GOOD: tuple[Any, ...] = ("e1", 1, "rate", "u1", "m1", 4.5, None, None, NOW_MS, NOW_MS, "api")


def row(**changes: Any) -> tuple[Any, ...]:
    return tuple(changes.get(name, value) for name, value in zip(Columns.EVENT, GOOD, strict=True))


def frame(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return event_frame(list(zip(*rows, strict=True)))


@pytest.mark.parametrize("text", ["str", "object"])
def test_good_events_of_every_type_pass_unchanged(text: str) -> None:
    events = frame_of([
        rating("a"), watch("b", minute=12), watch("c"), search("d"), view("e"), undo("f"),
    ])  # fmt: skip
    events = events.astype(dict.fromkeys(("event_id", "type", "user_id", "item_id", "query"), text))
    good, bad = validate(events, NOW_MS)
    assert bad == []
    pd.testing.assert_frame_equal(good, events)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_id": ""}, "event_id"), ({"event_id": "a b"}, "event_id"),
        ({"event_id": "x" * 257}, "event_id"), ({"event_id": None}, "event_id"),
        ({"schema_version": 0}, "schema_version"), ({"schema_version": 40_000}, "schema_version"),
        ({"type": "dance"}, "type"), ({"type": None}, "type"),
        ({"user_id": "a b"}, "user_id"), ({"user_id": "x" * 129}, "user_id"),
        ({"user_id": None}, "user_id"), ({"user_id": "u\n"}, "user_id"),
        ({"item_id": None}, "item_id"), ({"item_id": "ö"}, "item_id"),
        ({"rating": None}, "rating"), ({"rating": 7.0}, "rating"), ({"rating": 0.0}, "rating"),
        ({"rating": 4.3}, "rating"), ({"rating": float("inf")}, "rating"),
        ({"minute": 3}, "minute"), ({"query": "x"}, "query"),
        ({"timestamp_ms": -1}, "timestamp"), ({"timestamp_ms": NOW_MS + 300_001}, "timestamp"),
        ({"received_at_ms": -1}, "received_at"), ({"source": ""}, "source"),
        ({"type": "watch", "rating": None, "minute": -1}, "minute"),
        ({"type": "watch"}, "rating"),
        ({"type": "undo"}, "rating"), ({"type": "undo", "rating": None, "minute": 3}, "minute"),
        ({"type": "undo", "rating": None, "item_id": None}, "item_id"),
        ({"type": "undo", "rating": None, "query": "x"}, "query"),
        ({"type": "search", "rating": None, "item_id": None}, "query"),
        ({"type": "search", "rating": None, "query": "x"}, "item_id"),
        ({"type": "search", "rating": None, "item_id": None, "query": "\x00"}, "query"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_and_the_good_rows_are_kept(
    changes: dict[str, Any], field: str
) -> None:
    good, bad = validate(frame(row(event_id="a"), row(**changes), row(event_id="z")), NOW_MS)
    assert good[Columns.EVENT_ID].tolist() == ["a", "z"]
    assert [at for at, _ in bad] == [1]
    assert bad[0][1].startswith(f"{field}: ")


def test_all_reasons_against_a_row_are_told() -> None:
    _, bad = validate(frame(row(user_id="a b", rating=9.0)), NOW_MS)
    assert bad[0][1].split("; ")[0].startswith("user_id: ")
    assert bad[0][1].split("; ")[1].startswith("rating: ")


def test_five_minutes_ahead_are_still_good() -> None:
    assert validate(frame(row(timestamp_ms=NOW_MS + 300_000)), NOW_MS)[1] == []


def test_an_empty_frame_is_good() -> None:
    assert validate(event_frame([()] * 11), NOW_MS)[1] == []


def test_a_missing_column_is_a_mistake_of_ours() -> None:
    with pytest.raises(SchemaErrors):
        validate(frame(row()).drop(columns=[Columns.RATING]), NOW_MS)


def test_columns_of_objects_are_judged_by_their_values() -> None:
    objects = frame(row(), row(rating=None)).astype(object)
    objects.loc[0, Columns.RATING] = "4.5x"
    assert [at for at, _ in validate(objects, NOW_MS)[1]] == [0, 1]


values = {
    "event_id": st.sampled_from(["e", "", None, "ü"]),
    "type": st.sampled_from(["rate", "watch", "view", "search", "undo", "x", None]),
    "user_id": st.sampled_from(["u", "a b", None]),
    "item_id": st.sampled_from(["m", "", None]),
    "rating": st.sampled_from([None, 0.5, 5.0, 5.5, 0.7]),
    "minute": st.sampled_from([None, 0, -1, 100_001]),
    "query": st.sampled_from([None, "q", ""]),
    "timestamp_ms": st.sampled_from([0, -1, NOW_MS, NOW_MS + 10**9]),
}


@hypothesis_settings(max_examples=40)
@given(st.lists(st.fixed_dictionaries({}, optional=values), min_size=1, max_size=4))
def test_validate_and_the_pandera_schema_agree_on_every_row(rows: list[dict[str, Any]]) -> None:
    batch = frame(*(row(**changes) for changes in rows))
    good, bad = validate(batch, NOW_MS)
    for at in range(len(batch)):
        one = batch.iloc[[at]]
        try:
            event_schema(NOW_MS + 300_000).validate(one, lazy=True)
            passes = True
        except SchemaErrors:
            passes = False
        assert passes == (at not in {position for position, _ in bad})
    assert len(good) + len(bad) == len(batch)
    if len(good):
        EVENT_SCHEMA.validate(good, lazy=True)
        assert not np.any(good[Columns.TIMESTAMP] < 0)
