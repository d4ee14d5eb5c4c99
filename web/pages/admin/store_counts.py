"""How much the store holds, counted at most every ten seconds: a count reads whole tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock

from recommender.ports import EventStore

KEPT_MS = 10_000


class StoreCounts:
    """`EventStore.counts`, kept for a while; safe for many threads."""

    def __init__(self, store: EventStore, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._lock = Lock()
        self._kept: tuple[int, Mapping[str, int]] | None = None

    def now(self) -> Mapping[str, int]:
        """`events`, `users`, `movies`, `dead_letters`.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        with self._lock:
            at_ms = self._now_ms()
            if self._kept is None or not 0 <= at_ms - self._kept[0] < KEPT_MS:
                self._kept = at_ms, self._store.counts()
            return self._kept[1]
