"""One audit: the lists of the serving model, the logged answers, the events; then the reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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
from commands.training_parts import TrainingParts
from recommender.audit.anomaly_scan import AnomalyScan
from recommender.audit.answers_audit import AnswersReport, LoggedAnswer, audit_answers
from recommender.audit.catalogue_view import CatalogueView, frozen_view, view_catalogue
from recommender.audit.documents import Origin, security_document
from recommender.audit.fairness import FairnessReport
from recommender.audit.gauges import answers_gauges, fairness_gauges
from recommender.audit.model_audit import audit_model
from recommender.audit.verdicts import AuditPolicy
from recommender.errors import ModelRefused
from recommender.interactions import Interactions, interactions_from_events
from recommender.manifest import Manifest
from recommender.ports import AuditGauge
from recommender.request_id import request_id
from recommender.rerank.chain import RerankChain, chain_of, in_words
from recommender.schemas import Columns
from recommender.types import AnsweredRecord, EventType, ModelRecord, answer_failed
from settings import Settings

SERVING, ANSWERS, EVENTS = "serving", "answers", "events"
PARTS = 3
"""So many parts an audit has."""


@dataclass
class AuditOutcome:
    """What was found; parts that could not be audited are in `left_out` with the reason.

    document: the fairness report as it was written.
    """

    fairness: FairnessReport | None = None
    document: Mapping[str, Any] | None = None
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
        rows = () if self.document is None else self.document["requirements"]
        return {
            "event": "audit",
            "lists": 0 if self.fairness is None else self.fairness.lists,
            "answers": 0 if self.answers is None else self.answers.answers,
            "statuses": {row["name"]: row["status"] for row in rows},
            "left_out": self.left_out,
            "gauges": gauges_line(gauges),
        }  # fmt: skip


def run_audit(
    settings: Settings, parts: TrainingParts, responses: Engine,
    progress: Callable[[str], None], dropped: int = 0, window_s: int | None = None,
) -> AuditOutcome:  # fmt: skip
    """Audit all parts on the newest snapshot and write the reports.

    Args:
        dropped: answers of the window that were not logged, as the running program counted them.

    Raises:
        StoreUnavailable: a database does not answer.
        SnapshotDamaged: the newest snapshot cannot be read.
        OSError: the reports cannot be written.
    """
    outcome, policy, pictures = AuditOutcome(), policy_of(settings), settings.audit_pictures
    snapshot = parts.snapshots.latest()
    if snapshot is None:
        outcome.left_out = dict.fromkeys((SERVING, ANSWERS, EVENTS), "there is no snapshot yet")
        return outcome
    progress("reading events")
    frame, now_ms = parts.snapshots.read(snapshot), parts.clock()
    interactions = interactions_from_events(frame)
    view = view_catalogue(interactions, parts.snapshots.movies(snapshot),
                          parts.snapshots.people(snapshot), now_ms)
    begin_ms = now_ms - 1000 * (window_s or settings.audit_window_s)
    record = parts.allow_list.serving()
    origin = Origin(now_ms, SERVING, snapshot.snapshot_id, record.name if record else None,
                    record.version_id if record else None, (begin_ms, now_ms))
    progress("reading answers")
    answers = list(logged_answers(
        answered_records(responses, after=request_id(begin_ms, 0)), begin_ms))
    if answers:
        progress(f"auditing {len(answers)} answers")
        outcome.answers = audit_answers(
            answers, frozen_view(view, interactions, begin_ms), _history_lengths(interactions),
            interactions.n_users, policy, dropped)
        write_loops(parts.outputs, outcome.answers, origin, policy, pictures)
    else:
        outcome.left_out[ANSWERS] = "no answer was logged in the window"
    outcome.fairness = _audit_serving(
        parts, record, outcome, interactions, view, policy,
        chain_of(settings.rerank, settings.rerank_pool))
    if outcome.fairness is not None:
        outcome.document = write_fairness(
            parts.outputs, outcome.fairness, outcome.answers, origin, policy, pictures)
    progress("scanning events")
    _audit_events(frame, origin, outcome, parts.outputs, pictures)
    return outcome


def logged_answers(records: Iterable[AnsweredRecord], begin_ms: int) -> Iterator[LoggedAnswer]:
    """The lists of answers that succeeded; the text of a kept list is read once."""
    items: dict[bytes, tuple[str, ...]] = {}
    for record in records:
        if answer_failed(record.status) or record.timestamp_ms < begin_ms:
            continue
        found = items.get(record.text.digest)
        if found is None:
            shown = orjson.loads(record.body).get("recommendations", ())
            found = items[record.text.digest] = tuple(entry["item_id"] for entry in shown)
        yield LoggedAnswer(record.user_id, record.timestamp_ms, record.variant,
                           record.model_version, found)


def _audit_serving(
    parts: TrainingParts, record: ModelRecord | None, outcome: AuditOutcome,
    interactions: Interactions, view: CatalogueView, policy: AuditPolicy, chain: RerankChain,
) -> FairnessReport | None:  # fmt: skip
    if record is None:
        outcome.left_out[SERVING] = "no model serves"
        return None
    try:
        served = parts.files.load(record.version_id, record)
    except ModelRefused as refusal:
        outcome.left_out[SERVING] = str(refusal)
        return None
    report = audit_model(served.bundle, interactions, view, policy, chain=chain)
    return replace(report, notes=(*report.notes, *_of_another_chain(served.manifest, chain)))


def _of_another_chain(manifest: Manifest, chain: RerankChain) -> Iterator[str]:
    """That the settings were changed since: a gate judges candidates, never a change of these."""
    if manifest.rerank != dict(chain.strengths):
        yield (f"These lists are reranked by {chain}. When the gate judged this model its lists "
               f"were reranked by {in_words(manifest.rerank) or 'none'}, and so they are where "
               "quality is measured: no gate has judged the change")


def _audit_events(
    frame: pd.DataFrame, origin: Origin, outcome: AuditOutcome, outputs: OutputFolder,
    pictures: bool,
) -> None:  # fmt: skip
    scan = AnomalyScan()
    taken = frame[frame[Columns.TYPE].isin([EventType.RATE.value, EventType.WATCH.value])]
    ratings = taken[Columns.RATING].to_numpy(np.float64, na_value=np.nan).tolist()
    for user, item, rating, at_ms in zip(
        taken[Columns.USER], taken[Columns.ITEM], ratings, taken[Columns.TIMESTAMP].tolist(),
        strict=True,
    ):  # fmt: skip
        scan.add({"user_id": user, "item_id": item, "timestamp": at_ms,
                  "rating": None if math.isnan(rating) else rating})
    if not scan.usable:
        outcome.left_out[EVENTS] = "no rating and no watch"
        return
    outcome.scan = scan.report(0)
    counts = scan.counts()
    document = security_document(outcome.scan, origin, counts)
    outputs.write_report(SECURITY, document)
    if pictures:
        from recommender.audit import plots

        outputs.write_picture("security_rating_spam_detection",
                              plots.rating_spam(document, counts))


def _history_lengths(interactions: Interactions) -> dict[str, int]:
    lengths = np.diff(interactions.user_offsets).tolist()
    return dict(zip(interactions.user_ids, lengths, strict=True))
