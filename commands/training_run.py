"""One training under its lease: snapshot, fit and judge, sign, register, serve."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

from adapters.model_files import ModelFiles
from adapters.model_folder import remove_orphans
from adapters.snapshots import Snapshots
from commands.candidate_audit import CandidateAudits
from commands.trained_canary import begin_canary
from commands.training_log import TrainingLog
from commands.training_parts import TrainingParts
from commands.training_record import candidates_of, metrics_of, verdict_of
from recommender.audit.gate_requirements import checks_of
from recommender.audit.verdicts import AuditPolicy
from recommender.bundle import ModelBundle
from recommender.errors import (
    LeaseLost,
    ModelRefused,
    NotFound,
    SnapshotDamaged,
    StoreUnavailable,
)
from recommender.gate import GateBounds
from recommender.interactions import Interactions, interactions_from_events
from recommender.manifest import Candidate, Manifest, Watermark
from recommender.model_metrics import metrics_id, metrics_message
from recommender.provenance import next_version_id
from recommender.rerank.chain import AS_RANKED, RerankChain
from recommender.retention import ORPHAN_AFTER_MS
from recommender.snapshot import Snapshot
from recommender.training import (
    ServingReference,
    TrainedModel,
    TrainingPlan,
    train,
)
from recommender.types import AuditEntry, ModelRecord, ModelStatus, ServingChoice
from recommender.weighting import UNWEIGHTED, Weighting
from workers.held_lease import HeldLease
from workers.retention import Retention
from workers.snapshot_lease import snapshot_lease

RETRAIN_LEASE = "retrain"
LEASE_S = 30.0
_FAR_FUTURE_MS = 2**62


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """`models` are fitted; the best of them is served until a switch says otherwise.

    bounds: what the gate allows. budget_s: models not yet begun after this time are dropped.
    weighting: how entries count in a fit. actor: who asked, for the audit log. reason: why, for the
    manifests. policy: what audits require; pictures: whether they draw. canary_steps: of the
    canary that brings a passed model to the users; it is served at once without. chain: reorders
    the lists that are judged and audited, as in serving.
    """

    models: tuple[str, ...]
    split: str
    bounds: GateBounds
    models_kept: int
    budget_s: float
    weighting: Weighting = UNWEIGHTED
    actor: str = "command line"
    reason: str = "by hand"
    policy: AuditPolicy = field(default_factory=AuditPolicy)
    pictures: bool = False
    canary_steps: tuple[float, ...] = ()
    chain: RerankChain = AS_RANKED


@dataclass(frozen=True, slots=True)
class _Material:
    """What all models of one run share."""

    snapshot: Snapshot
    interactions: Interactions
    parent: ModelRecord | None
    candidates: tuple[Candidate, ...]
    weighting: Weighting
    chain: RerankChain
    actor: str
    reason: str


def take_snapshot(
    parts: TrainingParts, holder: str, on_lost: Callable[[], None], begin_anew: bool = False
) -> Snapshot:
    """Take a snapshot under its lease, after the process that may be taking one.

    Raises:
        LeaseLost: another process held the lease for two minutes.
        SnapshotDamaged: as `Snapshots.take` says.
    """
    with snapshot_lease(parts.leases, holder, on_lost):
        return parts.snapshots.take(parts.store, parts.catalogue, parts.clock(), begin_anew)


def train_and_publish(
    parts: TrainingParts, options: TrainingOptions, lease: HeldLease, log: TrainingLog,
    holder: str, on_lost: Callable[[], None],
) -> str:  # fmt: skip
    """Returns `published`, `refused` (none that may be served passed) or `held`.

    Served is the best that passes, or the newest of the name that a switch chose; none while the
    serving model is held.

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
    followed = _followed(parts.allow_list.choice(), parent)
    reference = serving_reference(parts.files, parts.snapshots, parent, snapshot.snapshot_id)
    plan = TrainingPlan(
        [(name, {}) for name in options.models], options.split, options.bounds, followed,
        is_late=lambda: time.monotonic() - began > options.budget_s,
        checks=checks_of(options.policy), people=parts.snapshots.people(snapshot),
        weighting=options.weighting, chain=options.chain,
    )  # fmt: skip
    movies = parts.snapshots.movies(snapshot)
    result = train(interactions, movies, plan, reference, log.progress)
    audits = CandidateAudits.of_run(
        interactions, movies, plan.people, result.groups, parts.clock(), options.policy,
        parts.outputs, log, options.pictures, options.chain)
    material = _Material(
        snapshot, interactions, parent, candidates_of(result), options.weighting, options.chain,
        options.actor, options.reason,
    )  # fmt: skip
    for one in result.dropped:
        log.note("dropped", name=one.name, explanation=one.explanation)
    outcome = "refused"
    if followed is not None and parent is not None and followed not in options.models:
        outcome = "held"
    for model in result.models:
        audits.audit(model)
        manifest, record = _publish(parts, material, model, time.monotonic() - began, lease)
        audits.published(manifest, model.name == (result.chosen or followed))
        left_alone = ""
        if model.name == result.chosen:
            record, left_alone = _serve(parts, material, record, lease, options.canary_steps)
            outcome = "held" if left_alone else "published"
        log.note(
            "model", name=model.name, version_id=record.version_id, version=record.version,
            status=record.status.value, passed=model.verdict.passed,
            reason=model.verdict.reason, refusals=list(model.verdict.refusals),
            explanation=" ".join(filter(None, (model.verdict.explanation, left_alone))),
        )  # fmt: skip
        _announce(parts, record, log)
    _tidy(parts, options, log)
    audits.write()
    return outcome


def _followed(choice: ServingChoice | None, parent: ModelRecord | None) -> str | None:
    """The only name to serve and to compare, None for the best of all.

    What is held is still compared, for the day it is not.
    """
    if choice is None or choice.automatic:
        return None
    if choice.name is not None:
        return choice.name
    return None if parent is None else parent.name


def serving_reference(
    files: ModelFiles[ModelBundle], snapshots: Snapshots, record: ModelRecord | None,
    snapshot_id: str,
) -> ServingReference | None:  # fmt: skip
    """What the gate compares with, None without a serving model; `snapshot_id` is this run's.

    A serving model whose file is refused is stood for by its configuration, or by the defaults
    of its name: damaging a file must not open the gate.
    """
    if record is None:
        return None
    try:
        manifest = files.manifest(record.version_id)
    except ModelRefused:
        return ServingReference(record.name, {}, _FAR_FUTURE_MS, None)
    own = manifest.data_snapshot_id

    def its_data() -> Interactions | None:
        try:
            return interactions_from_events(snapshots.read(snapshots.find(own)))
        except (NotFound, SnapshotDamaged):
            return None

    watermark, bundle = manifest.watermark.timestamp_ms, None
    try:
        bundle = files.load(record.version_id, record).bundle
    except ModelRefused:
        watermark = _FAR_FUTURE_MS
    return ServingReference(
        record.name, manifest.hyperparameters, watermark, bundle, its_data, own == snapshot_id,
        Weighting(**manifest.weighting),
    )  # fmt: skip


def _publish(
    parts: TrainingParts, material: _Material, model: TrainedModel, seconds: float,
    lease: HeldLease,
) -> tuple[Manifest, ModelRecord]:  # fmt: skip
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
    parts.audit.append(AuditEntry(
        at_ms, material.actor, "model_publish", record.version_id, status.value,
        f"{record.name}: {model.verdict.explanation}",
    ))  # fmt: skip
    return manifest, record


def _serve(
    parts: TrainingParts, material: _Material, record: ModelRecord, lease: HeldLease,
    canary_steps: tuple[float, ...],
) -> tuple[ModelRecord, str]:  # fmt: skip
    """Serve it unless another choice was made; its record, and why another one serves on."""
    at_ms, parent = parts.clock(), material.parent
    before = None if parent is None else parent.version_id
    if canary_steps:
        instead = begin_canary(parts, record, before, material.actor, canary_steps)
        if instead is not None:
            return record, instead
    record = parts.allow_list.serve_trained(record.version_id, at_ms, before, lease.fencing)
    if record.status is ModelStatus.SERVING:
        parts.audit.append(AuditEntry(
            at_ms, material.actor, "model_serve", record.version_id, "done", record.name
        ))  # fmt: skip
        return record, ""
    choice = parts.allow_list.choice()
    if choice is not None and choice.held:
        return record, "Not served: the serving model is held until a switch names a model."
    return record, ("Not served: the serving model was changed during the training, "
                    "or a rollout is under way.")


def _draft(
    parts: TrainingParts, material: _Material, model: TrainedModel, seconds: float
) -> Manifest:
    interactions = material.interactions
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
        verdict=verdict_of(model.verdict), candidates=material.candidates,
        weighting={
            name: float(value) for name, value in asdict(material.weighting).items() if value
        },
        rerank=dict(material.chain.strengths),
        parent_version=None if material.parent is None else material.parent.version_id,
        training_s=round(seconds, 3), trained_because=material.reason[:256] or None,
    )  # fmt: skip


def _announce(parts: TrainingParts, record: ModelRecord, log: TrainingLog) -> None:
    """Tell others of the model; a training whose models serve does not fail by that."""
    try:
        manifest = parts.files.manifest(record.version_id)
        parts.announce({metrics_id(record.version_id): metrics_message(manifest, record)})
    except (StoreUnavailable, ModelRefused) as error:
        log.note("not_announced", version_id=record.version_id, reason=str(error))


def _tidy(parts: TrainingParts, options: TrainingOptions, log: TrainingLog) -> None:
    Retention(
        parts.allow_list, parts.files.present, parts.files.delete, options.models_kept, parts.clock
    ).run()
    at_ms, records = parts.clock(), parts.allow_list.records()
    known = {record.version_id for record in records}
    for name in remove_orphans(parts.files.folder, known, at_ms - ORPHAN_AFTER_MS):
        log.note("orphan_removed", file=name)
        parts.audit.append(AuditEntry(
            at_ms, options.actor, "model_file_remove", name, "done", "of no registered model"
        ))  # fmt: skip
    parts.files.write_current(records, at_ms)
