"""Tells the metrics how full the queues are."""

from __future__ import annotations

from recommender.ports import Outbox, ResponseLog, Telemetry


class QueueGauges:
    """Reports what waits in the outbox and how many answers were dropped since the last time."""

    def __init__(self, outbox: Outbox, responses: ResponseLog, telemetry: Telemetry) -> None:
        self._outbox = outbox
        self._responses = responses
        self._telemetry = telemetry
        self._dropped = 0

    def report(self) -> None:
        """Once a second is enough.

        Raises:
            StoreUnavailable: the outbox cannot take events; all else was reported.
        """
        dropped = self._responses.dropped()
        if dropped > self._dropped:
            self._telemetry.responses_dropped(dropped - self._dropped)
            self._dropped = dropped
        self._telemetry.outbox_depth(self._outbox.depth())
