"""What a window is compared with: the last such time that the serving model learned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.drift import Change, Population
from commands.drift import drift_report, report_at
from composition import StoreSide, open_store
from recommender.audit.drift import drift
from recommender.audit.drift_windows import BEFORE, Stretch, windows_at
from recommender.manifest import Watermark
from settings import Settings
from tests.fakes import event_frame
from tests.sample_events import rating
from tests.sample_manifest import manifest

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
NOW_MS = 1_795_000_000_000


def test_the_reference_ends_with_the_newest_event_that_the_serving_model_learned() -> None:
    learned_ms = NOW_MS - 30 * DAY_MS
    found = windows_at(NOW_MS, WEEK_MS, learned_ms)
    assert found.current == Stretch(NOW_MS - WEEK_MS, NOW_MS)
    assert found.reference == Stretch(learned_ms + 1 - WEEK_MS, learned_ms + 1)
    assert found.against == "what the serving model learned"


@pytest.mark.parametrize("learned_ms", [None, NOW_MS - WEEK_MS, NOW_MS - 3_600_000, NOW_MS])
def test_without_a_model_older_than_the_window_the_reference_is_the_window_before(
        learned_ms: int | None) -> None:
    found = windows_at(NOW_MS, WEEK_MS, learned_ms)
    assert found.reference == Stretch(NOW_MS - 2 * WEEK_MS, NOW_MS - WEEK_MS)
    assert found.against == "the window before"


def test_a_time_that_is_set_goes_before_the_model() -> None:
    found = windows_at(NOW_MS, WEEK_MS, NOW_MS - 30 * DAY_MS, NOW_MS - 90 * DAY_MS)
    assert found.reference.to_ms == NOW_MS - 90 * DAY_MS and found.against == "the time set"
    found = windows_at(NOW_MS, WEEK_MS, None, NOW_MS - DAY_MS)
    assert found.reference.to_ms == NOW_MS - WEEK_MS and found.against == "the window before"


def test_the_setting_is_a_time_with_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRREEL_DRIFT_REFERENCE_TO", "2026-01-01T01:00:00+01:00")
    assert Settings().drift_reference_to_ms == 1_767_225_600_000
    monkeypatch.setenv("FAIRREEL_DRIFT_REFERENCE_TO", "2026-01-01T01:00:00")
    with pytest.raises(ValueError, match="timezone"):
        Settings()


def test_a_slow_change_is_found_against_what_was_learned_and_not_against_the_week_before() -> None:
    people, rng = Population(1_500, seed=8), np.random.default_rng(8)
    weeks = [people.window(rng, Change("slowly", rating_shift=-0.1 * week)) for week in range(5)]
    for before, after in pairwise(weeks):
        assert drift(before, after, people.genres).status == "PASS"
    assert "ratings" in drift(weeks[0], weeks[4], people.genres).drifted


@pytest.mark.parametrize(("first", "last", "filled"), [
    (0.0, 1.0, True), (0.09, 0.91, True), (0.11, 1.0, False), (0.0, 0.89, False)])
def test_a_window_is_filled_by_events_from_its_first_to_its_last_tenth(
        first: float, last: float, filled: bool) -> None:
    at_ms = (1_000 + 10_000 * np.array([last, first])).astype(np.int64).clip(max=10_999)
    assert Stretch(1_000, 11_000).filled_by(at_ms) is filled


def events(since_ms: int, people: range, stars: float) -> pd.DataFrame:
    """Two ratings of each person, the first and the last moment of a week among them."""
    moments = np.linspace(since_ms, since_ms + WEEK_MS - 1, 2 * len(people)).astype(int)
    return event_frame(
        rating(f"{since_ms}-{n}", f"u{person}", f"m{n % 20}", rating=stars,
               timestamp_ms=int(moment), received_at_ms=int(moment))
        for n, (person, moment) in enumerate(zip([*people, *people], moments, strict=True)))


@pytest.fixture
def side(tmp_path: Path) -> Iterator[StoreSide]:
    with closing(open_store(Settings(data_folder=tmp_path))) as made:
        yield made


def test_the_report_is_of_the_events_of_both_windows_and_names_the_data_of_the_model(
        side: StoreSide) -> None:
    learned_ms = NOW_MS - 3 * WEEK_MS
    for since_ms, people, stars in (
            (learned_ms + 1 - WEEK_MS, range(150), 4.0), (NOW_MS - 2 * WEEK_MS, range(110), 1.0),
            (NOW_MS - WEEK_MS, range(120), 2.0)):
        side.store.apply(events(since_ms, people, stars))
    learned = manifest(watermark=Watermark(timestamp_ms=learned_ms, sequence=300))
    told = drift_report(side, windows_at(NOW_MS, WEEK_MS, learned_ms), learned)
    assert told["reference"] == {"events": 300, "users": 150}
    assert told["current"] == {"events": 240, "users": 120}
    assert told["status"] == "FAIL" and "ratings" in told["drifted"]
    assert (told["data_snapshot_id"], told["model_version"]) == (
        learned.data_snapshot_id, learned.version_id)
    before = drift_report(side, windows_at(NOW_MS, WEEK_MS, None), None)
    assert before["reference"] == {"events": 220, "users": 110}
    assert before["model_version"] is None


def test_where_what_was_learned_is_gone_the_window_before_is_the_reference(
        side: StoreSide) -> None:
    side.store.apply(events(NOW_MS - 2 * WEEK_MS, range(110), 4.0))
    side.store.apply(events(NOW_MS - WEEK_MS, range(120), 2.0))
    learned = manifest(watermark=Watermark(timestamp_ms=NOW_MS - 9 * DAY_MS, sequence=300))
    told = report_at(side, NOW_MS, WEEK_MS, learned, None)
    assert (told["status"], told["against"]) == ("FAIL", BEFORE)
    assert "ratings" in told["drifted"]


def test_a_service_younger_than_two_windows_has_no_reference_yet(side: StoreSide) -> None:
    side.store.apply(events(NOW_MS - WEEK_MS - DAY_MS, range(150), 4.0))
    side.store.apply(events(NOW_MS - WEEK_MS, range(150), 4.0))
    told = drift_report(side, windows_at(NOW_MS, WEEK_MS, None), None)
    assert (told["status"], told["tests"]) == ("INSUFFICIENT_DATA", [])
    assert "reference window" in told["reason"]
