"""Asks the bus how it is, so that /ready can tell at once."""

from __future__ import annotations

import threading

import structlog

from recommender.ports import EventBus

_EVERY_S = 1.0
_log = structlog.get_logger()


class BusWatch:
    """A thread that keeps the last answer of `EventBus.problem` and logs each change of it once.

    What a client library does not say shows here: a consumer that may not read gets no error.
    """

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._problem: str | None = "not asked yet"
        self._told: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus-watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """End it; whether it did. A question under way is not waited for any longer."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def problem(self) -> str | None:
        """Why the bus cannot be used, as of the last time it was asked; None when it can."""
        return self._problem

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                problem = self._bus.problem()
            except Exception as error:  # noqa: BLE001  ending here would freeze what /ready tells
                _log.exception("bus_watch_failed")
                problem = f"cannot be asked: {error!r}"
            self._problem = problem
            if problem != self._told:
                self._tell(problem)
            self._stopping.wait(_EVERY_S)

    def _tell(self, problem: str | None) -> None:
        if problem is not None:
            _log.error("bus_problem", reason=problem)
        else:
            _log.info("bus_well_again", was=self._told)
        self._told = problem
