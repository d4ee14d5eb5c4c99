"""Parts that are made one ahead are the same parts."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.read_ahead import read_ahead


@given(st.lists(st.text()))
def test_all_parts_come_in_their_order(parts: list[str]) -> None:
    assert list(read_ahead(iter(parts))) == parts


def test_the_next_part_is_made_while_this_one_is_in_use() -> None:
    made = threading.Event()

    def parts() -> Iterator[int]:
        yield 1
        made.set()
        yield 2

    some = read_ahead(parts())
    assert next(some) == 1
    assert made.wait(10)
    assert list(some) == [2]


def test_an_error_is_raised_after_the_parts_before_it() -> None:
    def parts() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    some = read_ahead(parts())
    assert next(some) == 1
    with pytest.raises(ValueError, match="broken"):
        next(some)


def test_who_stops_early_leaves_no_thread_behind() -> None:
    some = read_ahead(iter([1, 2, 3]))
    assert next(some) == 1
    some.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]
