"""One training under its lease: snapshot, fit and judge, sign, register, serve."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from adapters.model_files import ModelFiles
from commands.training_log import TrainingLog
from commands.training_parts import TrainingParts
from recommender.bundle import ModelBundle
from recommender.errors import LeaseLost, ModelRefused
from recommender.evaluate import Evaluation
from recommender.interactions import Interactions, interactions_from_events
from recommender.manifest import Manifest, Metric, Verdict, Watermark
from recommender.provenance import next_version_id
from recommender.snapshot import Snapshot
from recommender.training import ServingReference, TrainedModel, train
from recommender.types import ModelRecord, ModelStatus
from workers.held_lease import HeldLease
from workers.retention import Retention

RETRAIN_LEASE, SNAPSHOT_LEASE = "retrain", "snapshot"
LEASE_S = 30.0
_SNAPSHOT_WAIT_S = 120.0
_FAR_FUTURE_MS = 2**62


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """`models` are fitted; the first is the one to serve. `margin` as in Settings.gate_margin."""

    models: tuple[str, ...]
    split: str
    margin: float
    models_kept: int


@dataclass(frozen=True, slots=True)
class _Material:
    """What all models of one run share."""

    snapshot: Snapshot
    interactions: Interactions
    parent: ModelRecord | None
    split_requested: str


def take_snapshot(parts: TrainingParts, holder: str, on_lost: Callable[[], None]) -> Snapshot:
    """Take a snapshot under its lease, after the process that may be taking one.

    Raises:
        LeaseLost: another process held the lease for two minutes.
    """
    deadline = time.monotonic() + _SNAPSHOT_WAIT_S
    while (token := parts.leases.acquire(SNAPSHOT_LEASE, holder, LEASE_S)) is None:
        if time.monotonic() > deadline:
            raise LeaseLost("another process has been taking a snapshot for too long")
        time.sleep(0.2)
    with HeldLease(parts.leases, SNAPSHOT_LEASE, token, LEASE_S, on_lost):
        return parts.snapshots.take(parts.store, parts.catalogue, parts.clock())


def train_and_publish(
    parts: TrainingParts, options: TrainingOptions, lease: HeldLease, log: TrainingLog,
    holder: str, on_lost: Callable[[], None],
) -> str:  # fmt: skip
    """Returns the outcome of the first model: `published` or `refused`.

    Raises:
        NothingToTrainOn: the store holds too little.
        LeaseLost: another process trains now; what was not yet registered never will be.
        InvalidField: an unknown model or split.
    """
    began = time.monotonic()
    log.progress("taking a snapshot")
    snapshot = take_snapshot(parts, holder, on_lost)
    log.note("snapshot", snapshot_id=snapshot.snapshot_id, events=snapshot.rows)
    interactions = interactions_from_events(parts.snapshots.read(snapshot))
    parent = parts.allow_list.serving()
    material = _Material(snapshot, interactions, parent, options.split)
    trained = train(
        interactions, parts.snapshots.movies(snapshot), [(name, {}) for name in options.models],
        options.split, serving_reference(parts.files, parent), options.margin, log.progress,
    )  # fmt: skip
    for place, model in enumerate(trained):
        seconds = time.monotonic() - began
        record = _publish(parts, material, model, seconds, lease)
        if model.verdict.passed and place == 0:
            record = parts.allow_list.serve(record.version_id, parts.clock(), lease.fencing)
        log.note(
            "model", name=model.name, version_id=record.version_id, version=record.version,
            status=record.status.value, passed=model.verdict.passed,
            reason=model.verdict.reason.value, explanation=model.verdict.explanation,
        )  # fmt: skip
    _tidy(parts, options.models_kept)
    return "published" if trained[0].verdict.passed else "refused"


def serving_reference(
    files: ModelFiles[ModelBundle], record: ModelRecord | None
) -> ServingReference | None:
    """What the gate compares with, None without a serving model.

    A serving model whose file is refused is stood for by its configuration, or by the defaults
    of its name: damaging a file must not open the gate.
    """
    if record is None:
        return None
    try:
        manifest = files.manifest(record.version_id)
    except ModelRefused:
        return ServingReference(record.name, {}, _FAR_FUTURE_MS, None)
    watermark = manifest.watermark.timestamp_ms
    try:
        bundle = files.load(record.version_id, record).bundle
    except ModelRefused:
        return ServingReference(record.name, manifest.hyperparameters, _FAR_FUTURE_MS, None)
    return ServingReference(record.name, manifest.hyperparameters, watermark, bundle)


def metrics_of(evaluation: Evaluation) -> dict[str, Metric]:
    """The measures by name, as in the manifest."""
    k = evaluation.k
    named = {
        f"hit_rate_at_{k}": evaluation.hit_rate, f"ndcg_at_{k}": evaluation.ndcg,
        f"coverage_at_{k}": evaluation.coverage, f"gini_at_{k}": evaluation.gini,
    }  # fmt: skip
    found = {name: Metric(**asdict(measured)) for name, measured in named.items()}
    return found | {
        "lists": Metric(value=float(evaluation.n_lists)),
        "active_items": Metric(value=float(evaluation.active_items)),
        "share_from_model": Metric(value=float(evaluation.from_model)),
    }


def _publish(
    parts: TrainingParts, material: _Material, model: TrainedModel, seconds: float,
    lease: HeldLease,
) -> ModelRecord:  # fmt: skip
    """Files first, then the row: a crash in between leaves files that nothing loads."""
    records = parts.allow_list.records()
    at_ms = parts.clock()
    taken = {record.version_id for record in records} | parts.files.present()
    draft = _draft(parts, material, model, seconds).model_copy(update={
        "version": max((record.version for record in records), default=0) + 1,
        "version_id": next_version_id(at_ms, taken), "created_at_ms": at_ms,
    })  # fmt: skip
    manifest = parts.files.publish(model.bundle, draft)
    status = ModelStatus.AVAILABLE if model.verdict.passed else ModelStatus.REFUSED
    reason = None if model.verdict.passed else model.verdict.explanation
    record = parts.allow_list.register(
        manifest.version_id, manifest.name, status, manifest.files[0].sha256, at_ms, reason,
        lease.fencing,
    )  # fmt: skip
    if record.version != manifest.version:
        raise LeaseLost(f"version {manifest.version} was taken by another process")
    return record


def _draft(
    parts: TrainingParts, material: _Material, model: TrainedModel, seconds: float
) -> Manifest:
    interactions, verdict = material.interactions, model.verdict
    times = interactions.timestamps
    return Manifest(
        version=1, version_id="00000000T000000Z", created_at_ms=0, name=model.name,
        code=parts.code, trained_from_ms=int(np.min(times)), trained_to_ms=int(np.max(times)),
        data_snapshot_id=material.snapshot.snapshot_id,
        watermark=Watermark(
            timestamp_ms=model.bundle.watermark_ms, sequence=material.snapshot.watermark_sequence
        ),
        rows=material.snapshot.rows, users=interactions.n_users, items=model.bundle.n_items,
        hyperparameters=dict(model.hyperparameters), metrics=metrics_of(model.metrics),
        split=model.split.value, split_requested=model.split_requested.value,
        verdict=Verdict(
            passed=verdict.passed, reason=verdict.reason.value, explanation=verdict.explanation,
            candidate_ndcg=verdict.candidate_ndcg, serving_ndcg=verdict.serving_ndcg,
            margin=verdict.margin,
        ),
        parent_version=None if material.parent is None else material.parent.version_id,
        training_s=round(seconds, 3),
    )  # fmt: skip


def _tidy(parts: TrainingParts, keep: int) -> None:
    Retention(parts.allow_list, parts.files.present, parts.files.delete, keep, parts.clock).run()
    parts.files.write_current(parts.allow_list.records(), parts.clock())
