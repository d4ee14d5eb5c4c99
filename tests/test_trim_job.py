"""The job goes through the kinds, a failure of one does not hold up the others, settings fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from recommender.errors import StoreUnavailable
from settings import Settings
from tests.fake_administration import CountingTelemetry
from workers.trim import Kept, TrimFailed, TrimJob

NOW_MS = 1_763_960_000_000


class Rows:
    """A kind of rows, trimmed in the steps given; None fails."""

    def __init__(self, *steps: int | None) -> None:
        self.sizes = steps
        self.before_ms: list[int] = []

    def steps(self, before_ms: int) -> Iterator[int]:
        self.before_ms.append(before_ms)
        for size in self.sizes:
            if size is None:
                raise StoreUnavailable("database unavailable: full")
            yield size


def job(telemetry: CountingTelemetry, *kinds: tuple[str, Rows], **more: Any) -> TrimJob:
    return TrimJob([Kept(name, 24, rows) for name, rows in kinds], telemetry, lambda: NOW_MS,
                   pause_s=0, **more)


def test_each_kind_is_trimmed_up_to_its_time_and_counted() -> None:
    telemetry, rows, prepared = CountingTelemetry(), Rows(2, 3), list[int]()
    assert job(telemetry, ("a", rows), ("b", Rows()), prepare=prepared.append).run() == {
        "a": 5, "b": 0}
    assert rows.before_ms == [NOW_MS - 24 * 3_600_000] and prepared == [NOW_MS]
    assert telemetry.counted["rows_trimmed", "a"] == 5
    assert ("rows_trimmed", "b") not in telemetry.counted


def test_a_kind_that_fails_is_told_after_the_others_had_their_turn() -> None:
    telemetry = CountingTelemetry()
    with pytest.raises(TrimFailed, match="a: database unavailable: full"):
        job(telemetry, ("a", Rows(2, None)), ("b", Rows(4))).run()
    assert telemetry.counted["rows_trimmed", "a"] == 2
    assert telemetry.counted["rows_trimmed", "b"] == 4


def test_when_the_time_is_up_the_rest_is_left_for_the_next_run() -> None:
    assert job(CountingTelemetry(), ("a", Rows(1, 1, 1)), budget_s=-1).run() == {"a": 1}


@pytest.mark.parametrize(("changes", "told"), [
    ({"outbox_kept_hours": 1}, "outbox_kept_hours: at least 2"),
    ({"applied_events_kept_days": 7}, "must be a day longer than outbox_kept_hours"),
    ({"applied_events_kept_days": 30, "outbox_kept_hours": 0}, "can come again for ever"),
    ({"applied_events_kept_days": 9, "bus": "kafka"}, "at least 15 with kafka_retention_hours"),
    ({"applied_events_kept_days": 99, "bus": "kafka", "kafka_retention_hours": 0},
     "stay on the topics for ever"),
    ({"applied_events_kept_days": 30, "browse_events_kept_days": 31}, "by which they are found"),
])  # fmt: skip
def test_settings_by_which_events_could_come_again_unknown_are_refused(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings(_env_file=None, **changes)


def test_settings_that_go_together_are_taken() -> None:
    Settings(_env_file=None, applied_events_kept_days=15, bus="kafka", browse_events_kept_days=15)
    Settings(_env_file=None, applied_events_kept_days=8)
