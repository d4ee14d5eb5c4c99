"""`drift`: compare what people did lately with the time before; what the server runs each day."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from adapters.json_log import configure_json_log
from adapters.report_files import ReportFiles
from clock import now_ms
from commands.outcome import EXIT_FAILED, EXIT_OK, emit, json_option
from composition import StoreSide, manifest_of, open_store
from recommender.arrays import Float64s
from recommender.audit.documents import instant
from recommender.audit.drift import (
    ACTIVITY_SHIFT_MAX,
    ALPHA,
    PSI_MAX,
    RATING_SHIFT_MAX,
    SHARE_MOVED_MAX,
    EventWindow,
    drift,
)
from recommender.audit.drift_windows import LEARNED, DriftWindows, windows_at
from recommender.manifest import Manifest
from recommender.schemas import Columns
from recommender.types import EventType
from settings import Settings
from web.pages.admin.drift import DRIFT_REPORT
from workers import parent_watch
from workers.arm_records import first_sequence_since

_EVENTS_AT_ONCE = 50_000
_KINDS = (EventType.RATE.value, EventType.WATCH.value)


def _end() -> None:
    os._exit(EXIT_FAILED)


@click.command("drift")
@click.option("--watch-parent", is_flag=True,
              help="End when standard input ends, and leave the processor to others.")
@json_option
def command(watch_parent: bool, as_json: bool) -> int:
    """Compare the last window of time with a reference and write drift_report.json.

    The reference is the last such window that the serving model was trained on, the window before
    while the model is younger than a window, or the one that ends at FAIRREEL_DRIFT_REFERENCE_TO.

    Exit code 0 whatever is found; the status is in the report.
    """
    if watch_parent:
        parent_watch.yield_to_parent()
        parent_watch.watch_parent(sys.stdin.fileno(), _end)
    settings = Settings()
    configure_json_log(settings.log_level)
    with closing(open_store(settings)) as side:
        serving = side.allow_list.serving()
        learned = None if serving is None else manifest_of(settings, serving.version_id)
        report = report_at(side, now_ms(), settings.drift_window_s * 1000, learned,
                           settings.drift_reference_to_ms)
        # Also when its manifest is refused.
        report["model_version"] = None if serving is None else serving.version_id
    report_file(settings).write(DRIFT_REPORT, report)
    lines = [f"{report['status']}: {report['current']['events']} events of "
             f"{report['current']['users']} users against {report['reference']['events']} of "
             f"{report['reference']['users']} ({report['against']}, to "
             f"{report['window']['reference_to']})"]
    if report["reason"]:
        lines.append(report["reason"])
    lines += [f"{test['name']}: {test['effect']:.3f} {test['effect_in']} (from "
              f"{test['threshold']}), p {test['p_adjusted']:.3g}"
              f"{', DRIFTED' if test['drifted'] else ''}" for test in report["tests"]]
    emit(report, as_json, lines)
    return EXIT_OK


def report_file(settings: Settings) -> ReportFiles:
    """Where the report is."""
    return ReportFiles({DRIFT_REPORT: Path(settings.outputs_folder) / "drift_report.json"})


def report_at(side: StoreSide, at_ms: int, length_ms: int, learned: Manifest | None,
              reference_to_ms: int | None) -> dict[str, Any]:
    """The report of the window that ends at a time, against the reference that can be had.

    What the model learned may be removed by now, or be an import from long ago: then it is the
    window before.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    learned_to_ms = None if learned is None else learned.watermark.timestamp_ms
    windows = windows_at(at_ms, length_ms, learned_to_ms, reference_to_ms)
    report = drift_report(side, windows, learned)
    if windows.against == LEARNED and report["status"] == "INSUFFICIENT_DATA":
        return drift_report(side, windows_at(at_ms, length_ms, None), learned)
    return report


def drift_report(side: StoreSide, windows: DriftWindows,
                 learned: Manifest | None) -> dict[str, Any]:
    """The report of two windows; `learned` is the manifest of the serving model.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    reference_time, time = windows.reference, windows.current
    genres, rows = _genre_table(side)
    users: dict[str, int] = {}
    parts: list[list[tuple[Any, ...]]] = [[], []]
    for chunk in side.store.event_chunks(
            first_sequence_since(side.store, reference_time.from_ms), _EVENTS_AT_ONCE):
        within = pd.Series(False, chunk.index)
        for stretch in (reference_time, time):
            within |= chunk[Columns.TIMESTAMP].between(
                stretch.from_ms, stretch.to_ms, inclusive="left")
        kept = chunk[chunk[Columns.TYPE].isin(_KINDS) & within]
        current = kept[Columns.TIMESTAMP].to_numpy() >= time.from_ms
        values = zip(kept[Columns.USER], kept[Columns.RATING], kept[Columns.TIMESTAMP],
                     kept[Columns.ITEM], current.tolist(), strict=True)
        for user, rating, moment, film, is_current in values:
            parts[is_current].append(
                (users.setdefault(user, len(users)), rating, moment, rows.get(film, -1)))
    reference, now = (_window(part) for part in parts)
    found = drift(reference, now, genres, windows)
    return {
        "schema_version": 1, "generated_at": instant(time.to_ms), "status": found.status,
        "reason": found.reason, "against": windows.against,
        "data_snapshot_id": None if learned is None else learned.data_snapshot_id,
        "model_version": None if learned is None else learned.version_id,
        "window": {"reference_from": instant(reference_time.from_ms),
                   "reference_to": instant(reference_time.to_ms),
                   "from": instant(time.from_ms), "to": instant(time.to_ms)},
        "reference": {"events": found.reference_events, "users": found.reference_users},
        "current": {"events": found.current_events, "users": found.current_users},
        "drifted": list(found.drifted), "tests": [asdict(test) for test in found.tests],
        "thresholds": {
            "p_adjusted": ALPHA, "psi": PSI_MAX, "share_moved": SHARE_MOVED_MAX,
            "rating_shift_sd": RATING_SHIFT_MAX, "activity_shift_log": ACTIVITY_SHIFT_MAX,
        },
    }


def _genre_table(side: StoreSide) -> tuple[Float64s, dict[str, int]]:
    movies = [movie for movie in side.catalogue.movies() if movie.genres]
    names = {name: at for at, name in enumerate(sorted({g for m in movies for g in m.genres}))}
    table = np.zeros((max(len(movies), 1), max(len(names), 1)))
    for row, movie in enumerate(movies):
        for genre in movie.genres:
            table[row, names[genre]] = 1.0 / len(movie.genres)
    return table, {movie.item_id: row for row, movie in enumerate(movies)}


def _window(rows: list[tuple[Any, ...]]) -> EventWindow:
    users, ratings, at_ms, films = zip(*rows, strict=True) if rows else ((), (), (), ())
    return EventWindow(np.array(users, np.int64), np.array(ratings, np.float64),
                       np.array(at_ms, np.int64), np.array(films, np.int64))
