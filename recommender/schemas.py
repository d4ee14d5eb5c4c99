"""The columns of every frame, and the pandera schema that a batch of events must meet."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pandera.errors import SchemaErrors

from recommender.types import EventType

ID_PATTERN = r"^[A-Za-z0-9._:\-]{1,128}$"
ID_RULE = "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -"
RATING_MIN, RATING_MAX, RATING_STEP = 0.5, 5.0, 0.5
EVENT_ID_PATTERN = r"[!-~]{1,256}"
"""Wider than ID_PATTERN, by which the door takes event ids: ids made here have a "/", so that no
client can send one."""
SOURCE_PATTERN = r"[ -~]{1,64}"
QUERY_PATTERN = r"[^\x00\ud800-\udfff]{1,10000}"
MINUTE_MAX = 100_000
SCHEMA_VERSION_MAX = 32_767
FUTURE_ALLOWED_MS = 5 * 60_000
TIME_MAX_MS = 253_402_300_799_999
"""The end of the year 9999 in UTC milliseconds."""


class Columns:
    """Column names, used in every frame; nothing else names a column."""

    EVENT_ID = "event_id"
    SCHEMA_VERSION = "schema_version"
    TYPE = "type"
    USER = "user_id"
    ITEM = "item_id"
    RATING = "rating"
    MINUTE = "minute"
    QUERY = "query"
    TIMESTAMP = "timestamp_ms"
    RECEIVED = "received_at_ms"
    SOURCE = "source"
    SEQUENCE = "sequence"

    EVENT = (EVENT_ID, SCHEMA_VERSION, TYPE, USER, ITEM, RATING, MINUTE, QUERY,
             TIMESTAMP, RECEIVED, SOURCE)


Bools = NDArray[np.bool_]
Times = int | NDArray[np.int64]
"""One time for all events of a frame, or one for each."""
EVENT_DTYPES = {
    Columns.EVENT_ID: "str",
    Columns.SCHEMA_VERSION: "int64",
    Columns.TYPE: "str",
    Columns.USER: "str",
    Columns.ITEM: "str",
    Columns.RATING: "float64",
    Columns.MINUTE: "Int64",
    Columns.QUERY: "str",
    Columns.TIMESTAMP: "int64",
    Columns.RECEIVED: "int64",
    Columns.SOURCE: "str",
}
"""As `event_frame` makes them; text columns may be of dtype object as well."""


def event_frame(columns: Sequence[Sequence[Any]], text: str = "str") -> pd.DataFrame:
    """A frame of events from one sequence of values for each of `Columns.EVENT`.

    `text` is the dtype of text columns: "str" is compact and fast in bulk, "object" is made
    quicker for a batch of some hundred.

    Raises:
        ValueError, TypeError, OverflowError: a value does not fit the type of its column.
    """
    series = {}
    for name, values in zip(Columns.EVENT, columns, strict=True):
        dtype = EVENT_DTYPES[name]
        series[name] = pd.Series(values, dtype=text if dtype == "str" else dtype)
    return pd.DataFrame(series)


def validate(frame: pd.DataFrame, now_ms: Times) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """The good rows of a frame of events, and (position, reason) of each other row.

    A time may lie at most FUTURE_ALLOWED_MS after `now_ms`.

    Raises:
        pandera.errors.SchemaErrors: a column is missing.
    """
    latest_ms = now_ms + FUTURE_ALLOWED_MS
    try:
        # Named checks cost 20 times one check of all rules (6 ms a batch), so they only run to
        # find the reasons once that one has failed.
        _one_check(latest_ms).validate(frame)
    except (pa.errors.SchemaError, SchemaErrors):
        pass
    else:
        return frame, []
    numbered = frame.reset_index(drop=True)
    try:
        event_schema(latest_ms).validate(numbered, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        if cases["index"].isna().any():
            raise
        reasons: dict[int, dict[str, None]] = {}
        for row, reason in zip(cases["index"].astype(int), cases["check"], strict=True):
            reasons.setdefault(int(row), {})[str(reason)] = None
        good = numbered.drop(index=list(reasons)).reset_index(drop=True)
        return good, [(row, "; ".join(reasons[row])) for row in sorted(reasons)]
    return numbered, []


def event_schema(latest_ms: Times = TIME_MAX_MS) -> pa.DataFrameSchema:
    """The schema of a batch of events none of which is later than `latest_ms` (UTC)."""
    return pa.DataFrameSchema(
        {name: pa.Column(nullable=True) for name in Columns.EVENT},
        checks=[
            pa.Check(_Rule(rule, latest_ms), error=reason, ignore_na=False)
            for reason, rule in _RULES.items()
        ],
    )


def _one_check(latest_ms: Times) -> pa.DataFrameSchema:
    def all_rules(frame: pd.DataFrame) -> bool:
        return all(rule(frame, latest_ms).all() for rule in _RULES.values())

    return pa.DataFrameSchema(
        checks=[
            pa.Check(lambda frame: set(Columns.EVENT) <= set(frame.columns), error="columns"),
            pa.Check(all_rules, error="rules"),
        ]
    )


class _Rule:
    """A rule with its time bound, as pandera calls it: a frame -> a truth value for each row."""

    def __init__(self, rule: Callable[[pd.DataFrame, Times], Bools], latest_ms: Times) -> None:
        self._rule = rule
        self._latest_ms = latest_ms
        self.__name__ = rule.__name__

    def __call__(self, frame: pd.DataFrame) -> pd.Series[bool]:
        return pd.Series(self._rule(frame, self._latest_ms), index=frame.index)


def _matching(pattern: str, column: str, frame: pd.DataFrame) -> Bools:
    matches = re.compile(pattern).fullmatch
    values = frame[column].to_numpy(dtype=object)
    return np.fromiter((isinstance(v, str) and matches(v) is not None for v in values), bool)


def _given(column: str, frame: pd.DataFrame) -> Bools:
    return frame[column].notna().to_numpy(dtype=bool)


def _is(kind: EventType, frame: pd.DataFrame) -> Bools:
    return (frame[Columns.TYPE] == kind.value).to_numpy(dtype=bool, na_value=False)


def _numbers(column: str, frame: pd.DataFrame) -> NDArray[np.float64]:
    values = frame[column]
    if values.dtype.kind not in "iuf":
        values = pd.to_numeric(values, errors="coerce")
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _whole(column: str, frame: pd.DataFrame, least: int, most: Times) -> Bools:
    numbers = _numbers(column, frame)
    with np.errstate(invalid="ignore"):
        good: Bools = (numbers >= least) & (numbers <= most) & (numbers == np.floor(numbers))
    return good


def _event_id(frame: pd.DataFrame, _latest_ms: Times) -> Bools:
    return _matching(EVENT_ID_PATTERN, Columns.EVENT_ID, frame)


def _schema_version(frame: pd.DataFrame, _latest_ms: Times) -> Bools:
    return _whole(Columns.SCHEMA_VERSION, frame, 1, SCHEMA_VERSION_MAX)


def _type(frame: pd.DataFrame, _latest_ms: Times) -> Bools:
    return frame[Columns.TYPE].isin([t.value for t in EventType]).to_numpy(dtype=bool)


def _user(frame: pd.DataFrame, _latest_ms: Times) -> Bools:
    return _matching(ID_PATTERN, Columns.USER, frame)


def _item(frame: pd.DataFrame, _latest_ms: Times) -> Bools:
    search = _is(EventType.SEARCH, frame)
    good = _matching(ID_PATTERN, Columns.ITEM, frame)
    return np.where(search, ~_given(Columns.ITEM, frame), good)


def _rating(frame: pd.DataFrame, _latest_ms: Times) -> Bools:
    numbers = _numbers(Columns.RATING, frame)
    with np.errstate(invalid="ignore", over="ignore"):
        steps = numbers / RATING_STEP
        good = (numbers >= RATING_MIN) & (numbers <= RATING_MAX) & (steps == np.floor(steps))
    return np.where(_is(EventType.RATE, frame), good, ~_given(Columns.RATING, frame))


def _minute(frame: pd.DataFrame, _latest_ms: Times) -> Bools:
    good = _whole(Columns.MINUTE, frame, 0, MINUTE_MAX) & _is(EventType.WATCH, frame)
    return good | ~_given(Columns.MINUTE, frame)


def _query(frame: pd.DataFrame, _latest_ms: Times) -> Bools:
    search = _is(EventType.SEARCH, frame)
    given = _given(Columns.QUERY, frame)
    if not search.any() and not given.any():
        return np.ones(len(frame), dtype=bool)
    return np.where(search, _matching(QUERY_PATTERN, Columns.QUERY, frame), ~given)


def _timestamp(frame: pd.DataFrame, latest_ms: Times) -> Bools:
    return _whole(Columns.TIMESTAMP, frame, 0, np.minimum(latest_ms, TIME_MAX_MS))


def _received(frame: pd.DataFrame, _latest_ms: Times) -> Bools:
    return _whole(Columns.RECEIVED, frame, 0, TIME_MAX_MS)


def _source(frame: pd.DataFrame, _latest_ms: Times) -> Bools:
    return _matching(SOURCE_PATTERN, Columns.SOURCE, frame)


_RULES: dict[str, Callable[[pd.DataFrame, Times], Bools]] = {
    "event_id: not 1 to 256 printable ASCII characters": _event_id,
    f"schema_version: not a whole number from 1 to {SCHEMA_VERSION_MAX}": _schema_version,
    f"type: not one of {', '.join(EventType)}": _type,
    "user_id: not an id": _user,
    "item_id: not an id (a search has none)": _item,
    f"rating: not {RATING_MIN:g} to {RATING_MAX:g} in steps of {RATING_STEP:g} (only a rate "
    "has one)": _rating,
    f"minute: not a whole number up to {MINUTE_MAX} (only a watch has one)": _minute,
    "query: not 1 to 10000 characters (only a search has one)": _query,
    "timestamp: before 1970 or in the future": _timestamp,
    "received_at: not a time": _received,
    "source: not 1 to 64 printable ASCII characters": _source,
}

EVENT_SCHEMA = event_schema()
"""All rules but the bound of now, which `event_schema(latest_ms)` and `validate` add."""
