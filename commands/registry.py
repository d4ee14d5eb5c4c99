"""`registry`: what models there are, whether their files are sound, and going back."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict

import click

from adapters.model_files import ModelFiles
from clock import now_ms
from commands.outcome import EXIT_FAILED, EXIT_OK, emit, json_option
from composition import open_model_files, open_store
from recommender.bundle import ModelBundle
from recommender.errors import FairreelError, NotFound
from recommender.ports import AllowList, AuditLog
from recommender.retention import ORPHAN_AFTER_MS
from recommender.types import HELD, AuditEntry, ModelRecord, ModelStatus
from settings import Settings

ACTOR = "command line"


@click.group("registry")
def command() -> None:
    """Models: list and verify them, roll back."""


@command.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """All models of the allow-list, newest first."""
    with closing(open_store(Settings())) as side:
        records = side.allow_list.records()
    emit([asdict(record) for record in records], as_json, [_line(record) for record in records])


@command.command("verify")
@json_option
def verify(as_json: bool) -> int:
    """Hold every file against the allow-list and the signatures; exit 1 on any mismatch.

    Files of no registered model are told as recent_file for a day, as a training may be
    publishing them, and are no mismatch; the first training after that removes them.
    """
    settings = Settings()
    with closing(open_store(settings)) as side:
        records = side.allow_list.records()
    findings = open_model_files(settings, publishing=False).audit_folder(
        records, now_ms() - ORPHAN_AFTER_MS
    )
    lines = [f"{finding.file}: {finding.cause}: {finding.message}" for finding in findings]
    emit(
        {"models": len(records), "findings": [asdict(finding) for finding in findings]}, as_json,
        [*lines, f"{len(records)} models, {len(findings)} findings"],
    )  # fmt: skip
    return EXIT_FAILED if any(f.cause != "recent_file" for f in findings) else EXIT_OK


@command.command("rollback")
@click.argument("version", required=False)
@json_option
def rollback(version: str | None, as_json: bool) -> None:
    """Serve VERSION (version id or number; default: the previous one) again, and hold it.

    Trainings serve no other until POST /switch names a model. A running server takes it up
    within a second or two.
    """
    settings = Settings()
    files = open_model_files(settings, publishing=False)
    with closing(open_store(settings)) as side:
        record = roll_back(side.allow_list, files, side.audit, version, now_ms())
    emit(asdict(record), as_json, [_line(record)])


def roll_back(
    allow_list: AllowList, files: ModelFiles[ModelBundle], audit: AuditLog,
    version: str | None, at_ms: int,
) -> ModelRecord:  # fmt: skip
    """Verify the files of a version (the previous one for None), then list it as serving.

    Raises:
        NotFound: no such version, or there is no previous one.
        ModelRefused: it is refused or retired, or its files do not verify.
    """
    try:
        record = _chosen(allow_list, version)
        files.verify(record.version_id, record)
        record = allow_list.serve(record.version_id, at_ms, choice=HELD)
    except FairreelError as error:
        target = version or "previous"
        audit.append(AuditEntry(at_ms, ACTOR, "model_rollback", target, "refused", str(error)))
        raise
    audit.append(AuditEntry(at_ms, ACTOR, "model_rollback", record.version_id, "done", record.name))
    files.write_current(allow_list.records(), at_ms)
    return record


def _chosen(allow_list: AllowList, version: str | None) -> ModelRecord:
    if version is None:
        records = allow_list.records()
        found = next((r for r in records if r.status is ModelStatus.PREVIOUS), None)
    else:
        found = allow_list.find(version)
    if found is None or found.name == version:
        raise NotFound(f"no model {version or 'before the serving one'}")
    return found


def _line(record: ModelRecord) -> str:
    reason = f"  {record.reason}" if record.reason else ""
    return (
        f"{record.version:>5}  {record.version_id}  {record.status.value:<9}  {record.name}{reason}"
    )
