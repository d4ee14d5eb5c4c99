"""Makes request and event ids."""

from __future__ import annotations

import os
from collections.abc import Callable

from recommender.request_id import RANDOM_BITS, request_id

_BYTES = (RANDOM_BITS + 7) // 8
_IDS_A_FILL = 1024


class Identifiers:
    """Time-ordered ids from the system's random source.

    The source is read for many ids at once: each read lets go of the interpreter lock, which
    costs more than the id when other threads are busy.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._pool: list[int] = []

    def new(self) -> str:
        """An id of 36 characters that nobody can guess."""
        try:
            bits = self._pool.pop()
        except IndexError:
            bits = self._fill()
        return request_id(self._now_ms(), bits)

    def _fill(self) -> int:
        block = os.urandom(_BYTES * _IDS_A_FILL)
        fresh = [
            int.from_bytes(block[i : i + _BYTES], "big") for i in range(0, len(block), _BYTES)
        ]
        bits = fresh.pop()
        self._pool.extend(fresh)
        return bits
