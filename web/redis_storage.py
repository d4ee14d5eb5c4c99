"""Counters in Redis that all replicas share, as a storage of the `limits` library.

A Redis that is away must cost requests nothing: after a failure it is asked once a second by one
request, and the others are told at once that it does not answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from limits.errors import StorageError
from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import RedisError
from redis.retry import Retry

RETRY_AFTER_S = 1.0
TIMEOUT_S = 0.25
"""For a connection and for an answer: what one request a second waits for a silent Redis."""
_log = structlog.get_logger("web")
_Result = TypeVar("_Result")


class SharedCounters(RedisStorage):
    """`RedisStorage` with short waits, and none while Redis is away. Safe for many threads."""

    STORAGE_SCHEME = ["redis", "rediss", "redis+unix"]  # noqa: RUF012 (declared so in `Storage`)

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: Any) -> None:
        waits: dict[str, Any] = {
            "socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S,
            # Once more at once: after a restart of Redis each kept connection is a broken one.
            "retry": Retry(NoBackoff(), 1),
        }  # fmt: skip
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **(waits | options))
        self._lock = threading.Lock()
        self._away = False
        self._ask_again_s = 0.0

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` more under `key`; a new counter expires in `expiry` seconds.

        Raises:
            RedisError: Redis does not answer; StorageError when so wrapped.
        """
        return self._asked(lambda: RedisStorage.incr(self, key, expiry, amount))

    def get(self, key: str) -> int:
        """The count under `key`, 0 when there is none.

        Raises:
            RedisError: as `incr`.
        """
        return self._asked(lambda: RedisStorage.get(self, key))

    def get_expiry(self, key: str) -> float:
        """When the counter expires, seconds since 1970.

        Raises:
            RedisError: as `incr`.
        """
        return self._asked(lambda: RedisStorage.get_expiry(self, key))

    def _asked(self, ask: Callable[[], _Result]) -> _Result:
        if self._away:
            self._take_the_turn_to_ask()
        try:
            answer = ask()
        except (RedisError, StorageError) as error:
            self._note(away=True, reason=str(error))
            raise
        if self._away:
            self._note(away=False)
        return answer

    def _take_the_turn_to_ask(self) -> None:
        with self._lock:
            now_s = time.monotonic()
            if now_s < self._ask_again_s:
                raise RedisAway("Redis did not answer a moment ago")
            self._ask_again_s = now_s + RETRY_AFTER_S

    def _note(self, away: bool, reason: str = "") -> None:
        with self._lock:
            changed, self._away = self._away != away, away
            if away:
                self._ask_again_s = time.monotonic() + RETRY_AFTER_S
        if changed and away:
            _log.error("limits_storage_away", reason=reason, requests="let through")
        elif changed:
            _log.info("limits_storage_back")
