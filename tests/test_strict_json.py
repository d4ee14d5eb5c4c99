"""Reading a body takes time in proportion to its length, whatever is in it."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.strict_json import DEPTH_MAX, MalformedJson, parse_object

MIB = 1 << 20
OPEN = b"{" * (DEPTH_MAX + 1)
DEEP = DEPTH_MAX + 1


def filled(start: bytes, part: bytes, end: bytes = b"") -> bytes:
    """A body of 1 MiB."""
    return start + part * ((MIB - len(start) - len(end)) // len(part)) + end


def keys_of_which_the_last_comes_twice() -> bytes:
    keys = b"".join(b'"%06d":1,' % n for n in range(90_000))
    return b"{" + keys + b'"089999":1}'


@pytest.mark.parametrize("body", [
    pytest.param(filled(OPEN + b'"', b'\\"'), id="escaped quotes in an open string"),
    pytest.param(filled(OPEN + b'"', b"\\"), id="backslashes in an open string"),
    pytest.param(filled(OPEN + b'"', b"x"), id="an open string"),
    pytest.param(filled(OPEN, b'"'), id="quotes"),
    pytest.param(filled(OPEN, b'"\\'), id="quotes and backslashes"),
    pytest.param(filled(b"", b"["), id="open brackets"),
    pytest.param(filled(b"", b"[]"), id="pairs"),
    pytest.param(filled(b"", b"[}"), id="brackets that do not match"),
    pytest.param(filled(b"", b"[[") + b"]" * MIB, id="one deep nest"),
    pytest.param(keys_of_which_the_last_comes_twice(), id="a duplicate at the end of many keys"),
    pytest.param(filled(b'{"a":[', b"1,"), id="a cut list"),
    pytest.param(filled(b'{"a":"', b"\\u0041", b'",}'), id="escapes"),
])
def test_a_megabyte_that_is_no_object_is_refused_at_once(body: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(MalformedJson):
        parse_object(body)
    assert time.perf_counter() - started < 2


def test_a_long_clear_object_is_read_at_once() -> None:
    value = {"lists": [[]] * 100_000, "text": '\\"[{' * 100_000}
    started = time.perf_counter()
    assert parse_object(json.dumps(value).encode()) == value
    assert time.perf_counter() - started < 2


STRINGS = st.text(st.sampled_from('ab"\\[]{}\n'), max_size=20)


@given(STRINGS, st.integers(0, DEEP), st.lists(STRINGS, min_size=DEEP, max_size=DEEP))
def test_only_brackets_outside_of_strings_count(text: str, depth: int, texts: list[str]) -> None:
    inner: object = text
    for key in texts[:depth]:
        inner = [inner, key]
    body = json.dumps({"a": inner, "b": texts}).encode()
    if depth < DEPTH_MAX:
        assert parse_object(body) == {"a": inner, "b": texts}
    else:
        with pytest.raises(MalformedJson):
            parse_object(body)
