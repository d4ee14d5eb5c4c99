"""Requests a minute and address, and a temporary block after repeated excess.

Flask-Limiter holds the storage and the strategy and limits special routes by its decorator. Its
own hook on every request costs about 50 us, so the limit that holds for all routes is taken
from the same strategy directly (about 3 us).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import TypeVar, cast

import structlog
from flask import Flask
from flask_limiter import Limiter
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.errors import StorageError

from recommender.ports import Telemetry
from web.errors import ProblemError
from web.request_context import ApiRequest, this_request
from web.services import WebOptions
from web.window_storage import WindowStorage

_log = structlog.get_logger("web")
_View = TypeVar("_View", bound=Callable[..., object])
_EXCESS_WINDOW_MINUTES = 10
_BLOCKED_KEPT_MAX = 10_000


class AddressLimits:
    """The limits of one application; fails open, and counts it, when the storage fails.

    Blocks lie in the limiter's storage, so that replicas share them; with a storage of this
    process alone a dictionary answers for it and addresses that are not blocked cost nothing.
    """

    def __init__(
        self,
        app: Flask,
        options: WebOptions,
        unlimited: Collection[str],
        telemetry: Telemetry,
        now_ms: Callable[[], int],
    ) -> None:
        if options.limits_storage_uri.startswith("redis"):
            # Registers itself for its schemes; 6 MB that nobody else needs.
            import web.redis_storage  # noqa: F401
        self._limiter = Limiter(
            _address,
            storage_uri=options.limits_storage_uri,
            storage_options={"wrap_exceptions": True},
            strategy="fixed-window",
            swallow_errors=True,  # special limits fail open too
        )
        # known to the application beforehand, the extension does not add its hooks
        app.extensions.setdefault("limiter", set()).add(self._limiter)
        self._limiter.init_app(app)
        self._hit = self._limiter.limiter.hit
        self._storage = self._limiter.storage
        self._local = isinstance(self._storage, WindowStorage)
        self._item: RateLimitItem = RateLimitItemPerMinute(options.rate_limit_per_minute)
        self._blocked_after = options.rate_limit_blocked_after
        self._block_s = options.rate_limit_block_s
        self._unlimited = unlimited
        self._telemetry = telemetry
        self._now_ms = now_ms
        self._blocked_until_ms: dict[str, int] = {}

    def special(self, limit: str, view: _View) -> _View:
        """The view under a limit of its own, such as "6 per minute" and address."""
        return cast(_View, self._limiter.limit(limit)(view))

    def check(self, request: ApiRequest) -> None:
        """Count a request.

        Raises:
            ProblemError: 429, over the limit or blocked.
        """
        if request.endpoint in self._unlimited:
            return
        address = request.remote_addr or "unknown"
        try:
            self._count(address)
        except StorageError:
            self._telemetry.rate_limiter_failed()  # the storage says in the log why

    def _count(self, address: str) -> None:
        if self._blocked_until_ms or not self._local:
            self._refuse_blocked(address)
        if not self._hit(self._item, "ip", address):
            self._refuse_excess(address)

    def _refuse_blocked(self, address: str) -> None:
        until_ms = self._blocked_until_ms.get(address)
        if until_ms is None:
            key = _block_key(address)
            if self._local or not self._storage.get(key):
                return
            until_ms = int(self._storage.get_expiry(key) * 1000)
        left_ms = until_ms - self._now_ms()
        if left_ms > 0:
            raise _blocked(min(left_ms / 1000, self._block_s))
        self._blocked_until_ms.pop(address, None)

    def _refuse_excess(self, address: str) -> None:
        minute = self._now_ms() // 60_000
        seconds = 60 * (_EXCESS_WINDOW_MINUTES + 1)
        if self._storage.incr(_excess_key(address, minute), seconds) == 1:
            minutes = range(minute - _EXCESS_WINDOW_MINUTES + 1, minute + 1)
            excesses = sum(self._storage.get(_excess_key(address, m)) > 0 for m in minutes)
            if excesses >= self._blocked_after:
                self._block(address)
                raise _blocked(self._block_s)
        reset_s = self._limiter.limiter.get_window_stats(self._item, "ip", address).reset_time
        left_s = min(reset_s - self._now_ms() / 1000, self._item.get_expiry())
        raise _too_many(f"more than {self._item.amount} requests a minute", left_s)

    def _block(self, address: str) -> None:
        _log.warning("address_blocked", address=address, seconds=self._block_s)
        self._storage.incr(_block_key(address), self._block_s)
        now_ms = self._now_ms()
        if len(self._blocked_until_ms) >= _BLOCKED_KEPT_MAX:
            for other, until_ms in list(self._blocked_until_ms.items()):
                if until_ms <= now_ms:
                    self._blocked_until_ms.pop(other, None)
        if len(self._blocked_until_ms) < _BLOCKED_KEPT_MAX:
            self._blocked_until_ms[address] = now_ms + self._block_s * 1000


def _address() -> str:
    return this_request().remote_addr or "unknown"


def _excess_key(address: str, minute: int) -> str:
    return f"fairreel/excess/{address}/{minute}"


def _block_key(address: str) -> str:
    return f"fairreel/blocked/{address}"


def _blocked(seconds: float) -> ProblemError:
    return _too_many("this address is blocked for repeated excess", seconds)


def _too_many(detail: str, seconds: float) -> ProblemError:
    retry_s = max(1, math.ceil(seconds))
    return ProblemError(429, detail, headers={"Retry-After": str(retry_s)})
