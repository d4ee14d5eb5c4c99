"""Makes request and event ids."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock

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
        self._order = Lock()
        self._last = 0, 0

    def new(self) -> str:
        """An id of 36 characters that nobody can guess."""
        return request_id(self._now_ms(), self._draw())

    def in_order(self) -> str:
        """An id that sorts after all that this call has given, while the clock is not set back.

        Ids decide between two events of one millisecond: who rates a film and takes that back at
        once must find it gone.
        """
        with self._order:
            at_ms, bits = self._now_ms(), self._draw()
            last_ms, last_bits = self._last
            # Half of the range is left for 2**31 steps up within the millisecond.
            bits = last_bits + 1 + (bits >> 32) if at_ms == last_ms else bits >> 1
            self._last = at_ms, bits
        return request_id(at_ms, bits)

    def _draw(self) -> int:
        try:
            return self._pool.pop()
        except IndexError:
            return self._fill()

    def _fill(self) -> int:
        block = os.urandom(_BYTES * _IDS_A_FILL)
        fresh = [
            int.from_bytes(block[i : i + _BYTES], "big") for i in range(0, len(block), _BYTES)
        ]
        bits = fresh.pop()
        self._pool.extend(fresh)
        return bits
