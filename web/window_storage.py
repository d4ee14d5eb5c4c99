"""Fixed-window counters in memory, as a storage of the `limits` library.

Its own MemoryStorage starts a thread every 10 ms under load to sweep expired counters; each start
waits for the new thread, and so delays the request that happened to be there (measured: 14 % of
all time in requests, and most of the slowest ones). Here the request that finds the sweep due
does it, once in ten seconds.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from limits.storage import Storage

_SWEEP_S = 10.0


class WindowStorage(Storage):
    """Counters by key with the time at which each expires; safe for many threads."""

    STORAGE_SCHEME = ["window-memory"]  # noqa: RUF012 (declared so in `Storage`)

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **_: Any) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._counters: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._next_sweep = time.time() + _SWEEP_S

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing here fails; the library asks for a class."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` more under `key`; a new counter expires in `expiry` seconds."""
        now = time.time()
        with self._lock:
            if now >= self._next_sweep:
                self._sweep(now)
            count, expires = self._counters.get(key, (0, 0.0))
            if expires <= now:
                count, expires = 0, now + expiry
            self._counters[key] = (count + amount, expires)
            return count + amount

    def get(self, key: str) -> int:
        """The count under `key`, 0 when there is none or it expired."""
        count, expires = self._counters.get(key, (0, 0.0))
        return count if expires > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """When the counter expires, seconds since 1970; now when there is none."""
        return self._counters.get(key, (0, time.time()))[1]

    def check(self) -> bool:
        """Whether the storage works."""
        return True

    def reset(self) -> int:
        """Drop all counters; how many there were."""
        with self._lock:
            dropped = len(self._counters)
            self._counters.clear()
        return dropped

    def clear(self, key: str) -> None:
        """Drop one counter."""
        with self._lock:
            self._counters.pop(key, None)

    def _sweep(self, now: float) -> None:
        self._counters = {k: c for k, c in self._counters.items() if c[1] > now}
        self._next_sweep = now + _SWEEP_S
