"""Columns as files hold them -> ids, numbers and times, with vector operations."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.event_codec import SECONDS_BELOW
from recommender.schemas import ID_PATTERN

Bools = NDArray[np.bool_]
_ID = re.compile(ID_PATTERN)
# Year 9999 in ms: what lies above is no time at all.
_LATEST_MS = 253_402_300_800_000


def is_id(text: str) -> bool:
    """Whether `text` may be the id of a film, a user or an event."""
    return _ID.fullmatch(text) is not None


def ids(column: pa.Array, pattern: str = ID_PATTERN) -> tuple[pa.Array, Bools]:
    """Ids as text, and which of them match. Whole numbers become decimal text."""
    if pa.types.is_floating(column.type):
        # pandas writes whole numbers with gaps as floats.
        values = numbers(column)
        with np.errstate(invalid="ignore"):
            whole = (np.abs(values) < 2**53) & (values == np.floor(values))
        column = pa.array(np.where(whole, values, 0).astype(np.int64), mask=~whole)
    if pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    if not is_text(column.type):
        return pa.nulls(len(column), pa.string()), np.zeros(len(column), dtype=bool)
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    good = pc.match_substring_regex(text, f"^(?:{pattern.removeprefix('^').removesuffix('$')})$")
    return text, _mask(good.fill_null(False))


def numbers(column: pa.Array) -> NDArray[np.float64]:
    """Values as float64; NaN for what is missing or no number."""
    kind = column.type
    if is_text(kind):
        text = pc.utf8_trim_whitespace(column.cast(pa.string()))
        try:
            column = text.cast(pa.float64())
        except pa.ArrowInvalid:
            parsed = pd.to_numeric(text.to_pandas(), errors="coerce")
            return np.asarray(parsed, dtype=np.float64)
    elif pa.types.is_boolean(kind) or not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    ):
        return np.full(len(column), np.nan)
    filled = column.cast(pa.float64(), safe=False).fill_null(np.nan)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.float64)


def times_ms(column: pa.Array) -> tuple[NDArray[np.int64], Bools]:
    """UTC ms, and which are times: numbers (seconds or ms), ISO 8601 (naive is UTC), timestamps."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        at = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
        return _filled(at), _mask(pc.is_valid(at))
    values = numbers(column)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.where(values < SECONDS_BELOW, values * 1000.0, values)
        good = np.abs(scaled) <= _LATEST_MS
    times = np.floor(np.where(good, scaled, 0)).astype(np.int64)
    if is_text(column.type) and not good.all():
        others = np.flatnonzero(np.isnan(values))
        written = pc.utf8_trim_whitespace(column.cast(pa.string())).take(pa.array(others))
        parsed = pd.to_datetime(
            pd.Series(written.to_pandas(), dtype="str"), format="ISO8601", utc=True, errors="coerce"
        )
        told = parsed.notna().to_numpy()
        times[others[told]] = parsed[told].dt.as_unit("ms").astype("int64").to_numpy()
        good[others[told]] = True
    return times, good


def dates_as_numbers(column: pa.Array) -> Bools:
    """Which values are a date (20200115) or a year written as a number, from 1900 to 2100.

    As seconds they would all lie in 1970.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return np.zeros(len(column), dtype=bool)
    values = numbers(column)
    with np.errstate(invalid="ignore"):
        years, days = np.floor(values / 10_000), np.mod(values, 10_000)
        month, day = np.floor(days / 100), np.mod(days, 100)
        date = (years >= 1900) & (years <= 2100) & (values == np.floor(values))
        date &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        year = (values >= 1900) & (values <= 2100) & (values == np.floor(values))
    return np.asarray(date | year, dtype=bool)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text, also as codes of a dictionary."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(kind) for is_kind in texts)


def _mask(flags: pa.BooleanArray) -> Bools:
    return np.asarray(flags.to_numpy(zero_copy_only=False), dtype=bool)


def _filled(values: pa.Array) -> NDArray[np.int64]:
    return np.asarray(values.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
