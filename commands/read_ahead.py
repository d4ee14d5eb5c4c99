"""The next part of a source is read and checked while this one is written."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(parts: Iterator[T]) -> Iterator[T]:
    """The same parts in the same order; one is made ahead, on a thread of its own.

    An error of `parts` is raised in its place.
    """
    with ThreadPoolExecutor(1, "read-ahead") as thread:
        ahead = thread.submit(next, parts, None)
        while (part := ahead.result()) is not None:
            ahead = thread.submit(next, parts, None)
            yield part
