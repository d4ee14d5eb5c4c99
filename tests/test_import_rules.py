"""The vectorised rules of imports are the rules of the schemas."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.import_events import EventRules, RawEvents, check_events
from recommender.schemas import EVENT_DTYPES, Columns, validate
from tests.import_world import NOW_MS

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=6)
IDS = st.one_of(st.sampled_from(["u1", "a.b:c-d_e", "x" * 128, "x" * 129, "", "a b"]), PRINTABLE)
RATINGS = st.one_of(
    st.sampled_from(["0.5", "5", "3.5", "0", "5.5", "3.3", "1e400", "inf", "nan", "", "true"]),
    st.floats().map(str),
)
TIMES = st.one_of(
    st.integers(-(10**11), 2 * NOW_MS).map(str),
    st.sampled_from([str(NOW_MS + 300_000), str(NOW_MS + 300_001), "0", "2024-05-01", "soon", ""]),
    st.sampled_from(["2019", "20200115", "20201315"]),
)
DATES_AS_NUMBERS = r"(19\d\d|20\d\d|2100)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
TYPES = st.sampled_from(["rate", "watch", "view", "search", "sold", ""])
MINUTES = st.sampled_from(["", "0", "100000", "100001", "-1", "1.5", "x"])
QUERIES = st.sampled_from(["", "space", "x" * 10_000, "x" * 10_001, "a\x00b"])


@settings(max_examples=60)
@given(st.lists(st.tuples(TYPES, IDS, IDS, RATINGS, TIMES, MINUTES, QUERIES), max_size=12))
def test_the_rules_are_those_of_the_schemas(rows: list[tuple[str, ...]]) -> None:
    """What passes is valid by the schema; what is refused is not, said value by value."""
    roles = ("type", "user", "item", "rating", "timestamp", "minute", "query")
    columns = {
        role: pa.array([row[place] for row in rows], pa.string())
        for place, role in enumerate(roles)
    }
    lines = np.arange(1, len(rows) + 1)
    checked = check_events(RawEvents(lines, columns), EventRules("0" * 64, NOW_MS))
    assert validate(checked.frame, NOW_MS)[1] == []
    passed = {int(i.rpartition("/")[2]) for i in checked.frame["event_id"]}
    refused = {broken.line for broken in checked.first_broken}
    assert passed | refused == set(lines.tolist()) and not passed & refused
    if refused:
        one_by_one = pd.concat([as_event(rows[line - 1]) for line in sorted(refused)])
        assert len(validate(one_by_one, NOW_MS)[1]) == len(refused)


def as_event(row: tuple[str, ...]) -> pd.DataFrame:
    """The line as an event, value by value, with what its type has no room for left out."""
    kind, user, item, rating, time, minute, query = row
    frame = pd.DataFrame(
        {
            Columns.EVENT_ID: ["e"],
            Columns.SCHEMA_VERSION: [1],
            Columns.TYPE: [kind],
            Columns.USER: [user.strip()],
            Columns.ITEM: [None if kind == "search" else item.strip()],
            Columns.RATING: [number(rating) if kind == "rate" else np.nan],
            Columns.MINUTE: [
                (number(minute) if minute.isdigit() else -1) if kind == "watch" and minute else None
            ],
            Columns.QUERY: [query if kind == "search" else None],
            Columns.TIMESTAMP: [time_of(time)],
            Columns.RECEIVED: [NOW_MS],
            Columns.SOURCE: ["test"],
        },
        dtype=object,
    )
    assert list(frame.columns) == list(EVENT_DTYPES)
    return frame


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def time_of(text: str) -> float:
    if text == "2024-05-01":
        return datetime(2024, 5, 1, tzinfo=UTC).timestamp() * 1000
    value = number(text)
    if 1900 <= value <= 2100 or re.fullmatch(DATES_AS_NUMBERS, text):
        return -1.0
    return -1.0 if np.isnan(value) else value * 1000 if value < 1e11 else value
