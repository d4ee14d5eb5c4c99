"""Bodies that take their time, and calls beside others."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

RATING = json.dumps({"user_id": "u1", "item_id": "m1", "rating": 4, "type": "rate"}).encode()
JSON = "application/json"


class SlowBody(io.RawIOBase):
    """Gives its first half, then waits to be let go on."""

    def __init__(self, body: bytes) -> None:
        self._parts = [body[: len(body) // 2], body[len(body) // 2 :]]
        self.waited_for = threading.Event()
        self.let_go = threading.Event()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if len(self._parts) == 1:
            self.waited_for.set()
            assert self.let_go.wait(10)
        part = self._parts.pop(0) if self._parts else b""
        buffer[: len(part)] = part
        return len(part)


@contextmanager
def beside(work: Callable[[], Any]) -> Iterator[list[Any]]:
    """Run `work` in a thread; its answer is in the list after the block."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)
    thread.start()
    yield answers
    thread.join(10)
    assert not thread.is_alive()
