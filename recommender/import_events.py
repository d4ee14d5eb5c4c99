"""Lines of an import source -> a frame of events, with vector operations.

The rules are those of `recommender.schemas` (a test holds both equal), said for whole columns: an
import of a million lines must not take a million validations. A line that breaks a rule is left
out and told with its number and reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.import_values import (
    Bools,
    dates_as_numbers,
    ids,
    is_text,
    numbers,
    times_ms,
)
from recommender.schemas import (
    EVENT_DTYPES,
    EVENT_ID_PATTERN,
    FUTURE_ALLOWED_MS,
    MINUTE_MAX,
    QUERY_PATTERN,
    RATING_MAX,
    RATING_MIN,
    RATING_STEP,
    Columns,
)
from recommender.types import EventType

SHOWN_MAX = 100
SOURCE = "import"


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that was left out."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class RawEvents:
    """Some consecutive lines of a source as read.

    `lines` (n,) are line numbers from 1; `columns` holds an array of n values for each role that
    the source has: user, item, rating, timestamp, position, minute, type, query, event_id.
    `broken` are lines of the same stretch that could not even be split into columns;
    `fraction` tells how much of the source is read with these.
    """

    lines: NDArray[np.int64]
    columns: Mapping[str, pa.Array]
    broken: tuple[BrokenLine, ...] = ()
    fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class EventRules:
    """What the events of one source have in common. Times in UTC ms.

    `source_hash` stands for the content and for how it is read; the ids of events begin with it.
    """

    source_hash: str
    now_ms: int
    fixed_type: EventType | None = None
    start_ms: int = 0
    step_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class CheckedEvents:
    """`frame` has the columns `Columns.EVENT`; `first_broken` are at most SHOWN_MAX of `broken`."""

    frame: pd.DataFrame
    broken: int
    first_broken: tuple[BrokenLine, ...]


def check_events(raw: RawEvents, rules: EventRules) -> CheckedEvents:
    """The good lines as events, the others counted, the first of them with reasons."""
    checks = _Checks(raw.lines)
    frame = _frame(raw, rules, checks)
    broken = sorted([*raw.broken, *checks.reasons()], key=lambda b: b.line)[:SHOWN_MAX]
    good = checks.good
    return CheckedEvents(
        frame if good.all() else frame[good].reset_index(drop=True),
        len(raw.broken) + int((~good).sum()),
        tuple(broken),
    )


class _Checks:
    """Which lines are still good, and the first reason against each of the others."""

    def __init__(self, lines: NDArray[np.int64]) -> None:
        self._lines = lines
        self._reasons: dict[int, str] = {}
        self.good: Bools = np.ones(len(lines), dtype=bool)

    def require(self, good: Bools, field: str, values: pa.Array | None, reason: str) -> None:
        """Refuse the lines where `good` is False. `values` are quoted in the reason."""
        refused = np.flatnonzero(self.good & ~good)
        for row in refused[: SHOWN_MAX - len(self._reasons)].tolist():
            value = values[row].as_py() if values is not None else None
            self._reasons[row] = (
                f"{field}: missing" if value in (None, "") else f"{field}: {value!r:.60} {reason}"
            )
        self.good[refused] = False

    def reasons(self) -> list[BrokenLine]:
        """In no particular order."""
        return [BrokenLine(int(self._lines[row]), why) for row, why in self._reasons.items()]


def _frame(raw: RawEvents, rules: EventRules, checks: _Checks) -> pd.DataFrame:
    n = len(raw.lines)
    get = raw.columns.get
    types = _types(get("type"), get("rating"), rules, checks)
    search = types == EventType.SEARCH

    user, user_good = ids(raw.columns["user"])
    checks.require(user_good, Columns.USER, raw.columns["user"], "is not an id")
    item, item_good = ids(raw.columns["item"])
    checks.require(item_good | search, Columns.ITEM, raw.columns["item"], "is not an id")
    rating = _ratings(get("rating"), types == EventType.RATE, checks)
    timestamp = _timestamps(raw.columns, rules, checks)
    minute = _minutes(get("minute"), types == EventType.WATCH, checks)
    columns = {
        Columns.EVENT_ID: _event_ids(raw, rules, checks),
        Columns.SCHEMA_VERSION: np.ones(n, dtype=np.int64),
        Columns.TYPE: pd.Series(types, dtype="str"),
        Columns.USER: _strings(user),
        Columns.ITEM: _strings(item).mask(search) if search.any() else _strings(item),
        Columns.RATING: rating,
        Columns.MINUTE: minute,
        Columns.QUERY: _queries(get("query"), search, checks),
        Columns.TIMESTAMP: timestamp,
        Columns.RECEIVED: np.full(n, rules.now_ms, dtype=np.int64),
        Columns.SOURCE: SOURCE,
    }
    return pd.DataFrame(columns).astype(EVENT_DTYPES)


def _strings(values: pa.Array) -> pd.Series[str]:
    return pd.Series(values.to_pandas(), dtype="str")


def _types(
    column: pa.Array | None, rating: pa.Array | None, rules: EventRules, checks: _Checks
) -> NDArray[np.object_]:
    n = len(checks.good)
    if rules.fixed_type is not None or column is None:
        fixed = rules.fixed_type or (EventType.WATCH if rating is None else EventType.RATE)
        return np.full(n, fixed.value, dtype=object)
    known = pc.is_in(column.cast(pa.string()), pa.array([t.value for t in EventType]))
    good = known.to_numpy(zero_copy_only=False)
    checks.require(good, Columns.TYPE, column, f"is not one of {', '.join(EventType)}")
    return np.where(good, column.to_numpy(zero_copy_only=False), EventType.WATCH.value)


def _ratings(column: pa.Array | None, rates: Bools, checks: _Checks) -> NDArray[np.float64]:
    nothing = np.full(len(rates), np.nan)
    if not rates.any():
        return nothing
    values = nothing if column is None else numbers(column)
    with np.errstate(invalid="ignore", over="ignore"):
        steps = values / RATING_STEP
        good = (values >= RATING_MIN) & (values <= RATING_MAX) & (steps == np.round(steps))
    reason = f"is not {RATING_MIN:g} to {RATING_MAX:g} in steps of {RATING_STEP:g}"
    checks.require(good | ~rates, Columns.RATING, column, reason)
    return np.where(rates, values, np.nan)


def _timestamps(
    columns: Mapping[str, pa.Array], rules: EventRules, checks: _Checks
) -> NDArray[np.int64]:
    if "position" in columns:
        field, column = "position", columns["position"]
        places = numbers(column)
        with np.errstate(invalid="ignore"):
            good = (places >= 0) & (places < 2**40) & (places == np.floor(places))
        checks.require(good, field, column, "is not a whole number from 0 on")
        times = rules.start_ms + np.where(good, places, 0).astype(np.int64) * rules.step_ms
    else:
        field, column = "timestamp", columns["timestamp"]
        reason = "reads as a date or a year, not as seconds; write it like 2020-01-15"
        checks.require(~dates_as_numbers(column), field, column, reason)
        times, good = times_ms(column)
        checks.require(good, field, column, "is not a time")
    checks.require(times >= 0, field, column, "lies before 1970")
    latest = rules.now_ms + FUTURE_ALLOWED_MS
    checks.require(times <= latest, field, column, "lies more than 5 min in the future")
    return times


def _minutes(column: pa.Array | None, watches: Bools, checks: _Checks) -> object:
    if column is None:
        return pd.array([pd.NA] * len(watches), dtype="Int64")
    values = numbers(column)
    with np.errstate(invalid="ignore"):
        whole = (values >= 0) & (values <= MINUTE_MAX) & (values == np.floor(values))
    given = pc.is_valid(column).to_numpy(zero_copy_only=False) & watches
    if is_text(column.type):
        told = pc.not_equal(column.cast(pa.string()), "").fill_null(False)
        given &= told.to_numpy(zero_copy_only=False)
    checks.require(whole | ~given, Columns.MINUTE, column, "is not a whole number of minutes")
    kept = whole & given
    return pd.arrays.IntegerArray(np.where(kept, values, 0).astype(np.int64), ~kept)


def _queries(column: pa.Array | None, search: Bools, checks: _Checks) -> pd.Series[str]:
    nothing = pd.Series([None] * len(search), dtype="str")
    if not search.any():
        return nothing
    if column is None:
        checks.require(~search, Columns.QUERY, None, "")
        return nothing
    queries = pd.Series(column.cast(pa.string()).to_pandas(), dtype="str")
    matches = re.compile(QUERY_PATTERN).fullmatch
    good = np.fromiter((isinstance(q, str) and matches(q) is not None for q in queries), bool)
    checks.require(good | ~search, Columns.QUERY, column, "is not 1 to 10000 characters")
    return queries.where(search & good)


def _event_ids(raw: RawEvents, rules: EventRules, checks: _Checks) -> pd.Series[str]:
    """Ids that a second import of the same content gives again: the store then skips them."""
    if "event_id" in raw.columns:
        own, good = ids(raw.columns["event_id"], EVENT_ID_PATTERN)
        checks.require(good, Columns.EVENT_ID, raw.columns["event_id"], "is not an id")
        return _strings(own)
    prefix = f"{SOURCE}/{rules.source_hash[:12]}/"
    number = pc.utf8_lpad(pa.array(raw.lines).cast(pa.string()), 10, "0")
    return _strings(pc.binary_join_element_wise(prefix, number, ""))


