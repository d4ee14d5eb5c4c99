"""One audit: the lists of the serving model, the logged answers, the events; then the reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pandas as pd
from sqlalchemy import Engine

from adapters.outputs import OutputFolder
from adapters.response_rows import answered_records
from commands.audit_writing import (
    SECURITY,
    gauges_line,
    policy_of,
    write_fairness,
    write_loops,
)
from composition import StoreSide, open_model_files
from recommender.audit.anomaly_scan import AnomalyScan
from recommender.audit.answers_audit import AnswersReport, LoggedAnswer, audit_answers
from recommender.audit.catalogue_view import view_catalogue
from recommender.audit.documents import Origin, security_document
from recommender.audit.fairness import FairnessReport
from recommender.audit.gauges import answers_gauges, fairness_gauges
from recommender.audit.model_audit import audit_model
from recommender.audit.verdicts import AuditPolicy
from recommender.errors import ModelRefused
from recommender.interactions import Interactions, interactions_from_events
from recommender.ports import AuditGauge
from recommender.request_id import request_id
from recommender.schemas import Columns
from recommender.types import AnsweredRecord, EventType, ModelRecord
from settings import Settings

_CHUNK_ROWS = 100_000
_OK = 200
SERVING, ANSWERS, EVENTS = "serving", "answers", "events"


@dataclass
class AuditOutcome:
    """What was found; parts that could not be audited are in `left_out` with the reason."""

    fairness: FairnessReport | None = None
    answers: AnswersReport | None = None
    scan: Mapping[str, Any] | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    def line(self) -> dict[str, Any]:
        """For whoever waits: verdicts and gauges."""
        gauges: list[AuditGauge] = []
        if self.fairness is not None:
            gauges += fairness_gauges(self.fairness, SERVING)
        if self.answers is not None:
            gauges += answers_gauges(self.answers)
        if self.scan is not None:
            gauges.append(AuditGauge("reco_flagged_users", {},
                                     float(len(self.scan["flagged_users"]))))
        rows = () if self.fairness is None else self.fairness.requirements
        return {
            "event": "audit",
            "lists": 0 if self.fairness is None else self.fairness.lists,
            "answers": 0 if self.answers is None else self.answers.answers,
            "statuses": {row.name: row.status.value for row in rows},
            "left_out": self.left_out,
            "gauges": gauges_line(gauges),
        }  # fmt: skip


def run_audit(
    settings: Settings, side: StoreSide, responses: Engine, outputs: OutputFolder, now_ms: int,
    progress: Callable[[str], None], dropped: int = 0, window_s: int | None = None,
) -> AuditOutcome:  # fmt: skip
    """Audit all parts and write the reports.

    Args:
        dropped: answers of the window that were not logged, as the running program counted them.

    Raises:
        StoreUnavailable: a database does not answer.
        OSError: the reports cannot be written.
    """
    outcome, policy = AuditOutcome(), policy_of(settings)
    progress("reading events")
    frames = list(side.store.event_chunks(0, _CHUNK_ROWS))
    if not frames:
        outcome.left_out = dict.fromkeys((SERVING, EVENTS), "the store holds no events")
        return outcome
    interactions = interactions_from_events(pd.concat(frames, ignore_index=True))
    view = view_catalogue(interactions, side.catalogue.movies(), side.catalogue.people(), now_ms)
    begin_ms = now_ms - 1000 * (window_s or settings.audit_window_s)
    progress("reading answers")
    answers = list(logged_answers(
        answered_records(responses, after=request_id(begin_ms, 0)), begin_ms))
    record = side.allow_list.serving()
    origin = Origin(now_ms, SERVING, None, None, None, (begin_ms, now_ms))
    if answers:
        progress(f"auditing {len(answers)} answers")
        outcome.answers = audit_answers(
            answers, view, _history_lengths(interactions), interactions.n_users, policy, dropped)
    else:
        outcome.left_out[ANSWERS] = "no answer was logged in the window"
    if record is None:
        outcome.left_out[SERVING] = "no model serves"
    else:
        progress(f"auditing {record.name}")
        origin = _audit_serving(settings, record, origin, outcome, interactions, view, policy)
    if outcome.fairness is not None:
        write_fairness(outputs, outcome.fairness, outcome.answers, origin, policy,
                       settings.audit_pictures)
    if outcome.answers is not None:
        write_loops(outputs, outcome.answers, origin, policy, settings.audit_pictures)
    progress("scanning events")
    _audit_events(frames, origin, outcome, outputs, settings.audit_pictures)
    return outcome


def logged_answers(records: Iterable[AnsweredRecord], begin_ms: int) -> Iterator[LoggedAnswer]:
    """The lists of answers that succeeded; the text of a kept list is read once."""
    items: dict[bytes, tuple[str, ...]] = {}
    for record in records:
        if record.status != _OK or record.timestamp_ms < begin_ms:
            continue
        found = items.get(record.text.digest)
        if found is None:
            shown = orjson.loads(record.body).get("recommendations", ())
            found = items[record.text.digest] = tuple(entry["item_id"] for entry in shown)
        yield LoggedAnswer(record.user_id, record.timestamp_ms, record.variant,
                           record.model_version, found)


def _audit_serving(
    settings: Settings, record: ModelRecord, origin: Origin, outcome: AuditOutcome,
    interactions: Interactions, view: Any, policy: AuditPolicy,
) -> Origin:  # fmt: skip
    try:
        served = open_model_files(settings, publishing=False).load(record.version_id, record)
    except ModelRefused as refusal:
        outcome.left_out[SERVING] = str(refusal)
        return origin
    outcome.fairness = audit_model(served.bundle, interactions, view, policy)
    return Origin(origin.generated_ms, origin.subject, served.manifest.data_snapshot_id,
                  record.name, record.version_id, origin.window)


def _audit_events(
    frames: Iterable[pd.DataFrame], origin: Origin, outcome: AuditOutcome, outputs: OutputFolder,
    pictures: bool,
) -> None:  # fmt: skip
    scan, counts = AnomalyScan(), dict[str, int]()
    for frame in frames:
        taken = frame[frame[Columns.TYPE].isin([EventType.RATE.value, EventType.WATCH.value])]
        ratings = taken[Columns.RATING].to_numpy(np.float64, na_value=np.nan).tolist()
        for user, item, rating, at_ms in zip(
            taken[Columns.USER], taken[Columns.ITEM], ratings, taken[Columns.TIMESTAMP].tolist(),
            strict=True,
        ):  # fmt: skip
            counts[user] = counts.get(user, 0) + 1
            scan.add({"user_id": user, "item_id": item, "timestamp": at_ms,
                      "rating": None if rating != rating else rating})
    if not scan.usable:
        outcome.left_out[EVENTS] = "no rating and no watch"
        return
    outcome.scan = scan.report(0)
    document = security_document(outcome.scan, origin, list(counts.values()))
    outputs.write_report(SECURITY, document)
    if pictures:
        from recommender.audit import plots

        outputs.write_picture("security_rating_spam_detection",
                              plots.rating_spam(document, list(counts.values())))


def _history_lengths(interactions: Interactions) -> dict[str, int]:
    lengths = np.diff(interactions.user_offsets).tolist()
    return dict(zip(interactions.user_ids, lengths, strict=True))
