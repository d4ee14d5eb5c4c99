"""`counterfactual`: what the places that chance filled earned, and would earn under even draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click
import numpy as np
import orjson

from adapters.database import open_database
from adapters.response_rows import answered_records
from clock import now_ms
from commands.outcome import EXIT_OK, emit, json_option
from composition import StoreSide, open_store
from recommender.audit.counterfactual import Counterfactual, Draw, draws_of, snips
from recommender.audit.documents import instant
from recommender.request_id import request_id
from recommender.schemas import Columns
from recommender.types import AnsweredRecord, EventType, answer_failed
from settings import Settings
from workers.arm_records import LATE_MS, first_sequence_since

_EVENTS_AT_ONCE = 50_000
_TAKEN = (EventType.RATE.value, EventType.WATCH.value)
Taken = dict[str, list[tuple[int, str]]]
"""By user: when what was rated or watched, UTC milliseconds and film."""


@click.command("counterfactual")
@click.option("--over-s", default=30 * 86_400, show_default=True, type=click.IntRange(min=1),
              help="Read the answers of so many seconds.")
@click.option("--within-s", type=click.IntRange(min=1),
              help="A film is taken when it is rated or watched so many seconds after the answer; "
                   "default: the window of online success.")
@json_option
def command(over_s: int, within_s: int | None, as_json: bool) -> int:
    """Estimate from logged propensities what chance earned, and what even draws would earn.

    Only rerankers that draw (`exploration`, `tail_slots`) leave such places. An even draw gives
    each film that could have stood there the same chance (SNIPS; see docs/rerank.md).
    """
    settings = Settings()
    within_s = within_s or settings.online_success_window_s
    until_ms = now_ms() - 1000 * within_s - LATE_MS
    begin_ms = until_ms - 1000 * over_s
    responses = open_database(settings.responses(), "responses")
    try:
        with closing(open_store(settings)) as side:
            taken = taken_since(side, begin_ms)
        records = answered_records(responses, after=request_id(begin_ms, 0))
        draws = drawn_places(records, taken, until_ms, 1000 * within_s)
    finally:
        responses.dispose()
    report = {"from": instant(begin_ms), "to": instant(until_ms), "within_s": within_s,
              **estimates(draws)}
    emit(report, as_json, _lines(report))
    return EXIT_OK


def taken_since(side: StoreSide, begin_ms: int) -> Taken:
    """What was rated or watched since.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    taken: Taken = defaultdict(list)
    for chunk in side.store.event_chunks(first_sequence_since(side.store, begin_ms),
                                         _EVENTS_AT_ONCE):
        kept = chunk[chunk[Columns.TYPE].isin(_TAKEN)]
        for user, film, at_ms in zip(kept[Columns.USER], kept[Columns.ITEM],
                                     kept[Columns.TIMESTAMP], strict=True):
            taken[user].append((int(at_ms), film))
    return taken


def drawn_places(records: Iterable[AnsweredRecord], taken: Taken, until_ms: int,
                 within_ms: int) -> list[tuple[str, Draw]]:
    """The user and draw of each place that chance filled, of answers whose window has closed."""
    found = []
    for record in records:
        if answer_failed(record.status) or record.timestamp_ms > until_ms:
            continue
        answer = orjson.loads(record.body)
        propensities = answer["provenance"].get("propensities")
        if propensities is None:
            continue
        last_ms = record.timestamp_ms + within_ms
        then = {film for at_ms, film in taken.get(record.user_id, ())
                if record.timestamp_ms <= at_ms <= last_ms}
        films = [entry["item_id"] for entry in answer["recommendations"]]
        found += [(record.user_id, draw) for draw in draws_of(films, propensities, then)]
    return found


def estimates(draws: list[tuple[str, Draw]]) -> dict[str, Any]:
    """Share taken of the draws as they were made, and of even ones; null without any draw."""
    if not draws:
        return {"draws": 0, "as_drawn": None, "even": None}
    users = np.unique([user for user, _ in draws], return_inverse=True)[1].astype(np.int64)
    rewards = np.array([draw.taken for _, draw in draws], np.float64)
    chances = np.array([draw.propensity for _, draw in draws], np.float64)
    policies = {"as_drawn": chances, "even": np.ones(len(draws))}  # a constant: it cancels
    return {"draws": len(draws)} | {
        name: asdict(snips(rewards, chances, target, users)) for name, target in policies.items()}


def _lines(report: dict[str, Any]) -> list[str]:
    if not report["draws"]:
        return ["no answer of that time has a place that chance filled"]
    return [_line(name.replace("_", " "), Counterfactual(**report[name]))
            for name in ("as_drawn", "even")]


def _line(name: str, found: Counterfactual) -> str:
    interval = ("too few draws for an interval" if found.low is None
                else f"[{found.low:.4f}, {found.high:.4f}]")
    return (f"{name}: {found.value:.4f} taken of a draw, {interval}, {found.draws} draws, worth "
            f"{found.effective:.0f} of its own")
