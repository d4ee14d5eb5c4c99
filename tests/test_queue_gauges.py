"""Queues show in the metrics."""

from __future__ import annotations

from tests.fake_administration import CountingTelemetry
from tests.fakes import InMemoryOutbox, InMemoryResponseLog
from workers.queue_gauges import QueueGauges


class DroppingLog(InMemoryResponseLog):
    """A log that says how many answers it dropped."""

    lost = 0

    def dropped(self) -> int:
        return self.lost


def test_dropped_answers_are_counted_once() -> None:
    telemetry, log = CountingTelemetry(), DroppingLog()
    gauges = QueueGauges(InMemoryOutbox(None), log, telemetry)
    gauges.report()
    for log.lost in (3, 3, 5):
        gauges.report()
    assert telemetry.counted["responses_dropped",] == 5


def test_the_depth_of_the_outbox_is_shown() -> None:
    telemetry = CountingTelemetry()
    outbox = InMemoryOutbox(None)
    QueueGauges(outbox, InMemoryResponseLog(), telemetry).report()
    assert telemetry.gauges["outbox_depth",] == outbox.depth()
