"""What must answer for the program to work: store, model, bus, outbox."""

from __future__ import annotations

import structlog

from recommender.errors import StoreUnavailable
from web.services import Services

_log = structlog.get_logger("web")
OK = "ok"
_STEADY_S = 30
NEEDED = ("store", "model")
"""Without these nothing can be recommended; the others may be away for a while."""


class Readiness:
    """Asks each of them."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._outbox = services.outbox
        self._serving = services.serving
        self._bus_problem = services.bus_problem
        self._now_ms = services.now_ms
        self._outbox_refused_at_ms: int | None = None

    def checks(self) -> dict[str, str]:
        """The word ok, or what is wrong, for each."""
        return {
            "store": self._store_check(),
            "model": OK if self._serving.current() is not None else "no model yet",
            "bus": self._bus_problem() or OK,
            "outbox": self._outbox_check(),
        }

    def _store_check(self) -> str:
        try:
            self._store.last_sequence()
        except StoreUnavailable as error:
            _log.warning("store_unavailable", reason=str(error))
            return "does not answer"
        return OK

    def _outbox_check(self) -> str:
        """Not ok until it has refused nothing for a while.

        A disk that is nearly full takes a small write and refuses the next large one.
        """
        now_ms = self._now_ms()
        try:
            self._outbox.depth()
        except StoreUnavailable as error:
            _log.warning("outbox_unavailable", reason=str(error))
            self._outbox_refused_at_ms = now_ms
            return "does not answer"
        refused_at_ms = self._outbox_refused_at_ms
        if refused_at_ms is not None and now_ms - refused_at_ms < _STEADY_S * 1000:
            return f"answers again, for less than {_STEADY_S} s"
        return OK
