"""One training from the store to a served, signed model; and what becomes of it when it is cut."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from adapters.signing import public_key_file
from commands import snapshot
from commands.train import run_training
from commands.training_log import TrainingLog
from commands.training_parts import open_training
from commands.training_run import (
    RETRAIN_LEASE,
    TrainingOptions,
    train_and_publish,
)
from composition import StoreSide, open_model_files
from recommender.errors import LeaseLost, UnusableKey
from recommender.gate import GateBounds
from recommender.ports import Telemetry
from settings import Settings
from tests.training_world import (
    FILMS,
    SEEN,
    USERS,
    invoke,
    lines_of,
    settings,
    settings_of,
    side,
    statuses,
    train,
)
from tests.worker_fakes import KeptAudit, KeptTelemetry
from workers.held_lease import HeldLease
from workers.retrain import Retrainer
from workers.snapshot_lease import SNAPSHOT_LEASE

__all__ = ["settings", "side"]  # fixtures
ROOT = Path(__file__).parent.parent


def test_a_training_publishes_signed_models_and_serves_the_first(
    settings: Settings, side: StoreSide
) -> None:
    assert train(settings) == (0, "published")
    assert statuses(side) == ["serving", "available"]
    serving = side.allow_list.serving()
    assert serving is not None
    files = open_model_files(settings, publishing=False)
    manifest, bundle = (loaded := files.load(serving.version_id, serving)).manifest, loaded.bundle
    assert (manifest.version, manifest.name, bundle.name) == (1, *["transition_knn"] * 2)
    assert (manifest.rows, manifest.users, manifest.items) == (USERS * SEEN, USERS, FILMS)
    assert manifest.watermark.sequence == USERS * SEEN
    assert manifest.trained_from_ms == 1_000_000
    assert manifest.trained_to_ms == 1_000_000 + (SEEN - 1) * 1_000 + USERS - 1
    assert manifest.watermark.timestamp_ms == manifest.trained_to_ms
    assert manifest.hyperparameters == bundle.hyperparameters
    ndcg = manifest.metrics["ndcg_at_10"]
    assert ndcg.low is not None and ndcg.high is not None
    assert 0 < ndcg.low <= ndcg.value <= ndcg.high
    assert manifest.code.lock_file_sha256 is not None
    assert files.audit_folder(side.allow_list.records()) == []
    with open_training(settings) as parts:
        assert parts.snapshots.find(manifest.data_snapshot_id).rows == manifest.rows


def test_the_private_key_lies_outside_the_registry(settings: Settings) -> None:
    train(settings)
    names = {path.suffix for path in settings.registry_folder.rglob("*") if path.is_file()}
    assert names == {".pkl", ".json", ".sig"}
    assert settings.signing_key().is_file()


def test_progress_is_logged_as_json_and_told_to_people(settings: Settings) -> None:
    told: list[str] = []
    run_training(settings, told.append, "why", "who")
    lines = lines_of(settings)
    assert lines[0]["event"] == "started"
    assert (lines[0]["reason"], lines[0]["actor"]) == ("why", "who")
    assert [line["version"] for line in lines if line["event"] == "model"] == [1, 2]
    assert lines[-1]["event"] == "finished" and lines[-1]["seconds"] > 0
    assert len(told) == len(lines) and "taking a snapshot" in told


def test_files_that_a_killed_training_left_are_removed_by_a_later_one(
    settings: Settings, side: StoreSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.registry_folder / "models"
    folder.mkdir(parents=True)
    old, recent = folder / "model_v20200101T000000Z.pkl", folder / "model_v20200102T000000Z.pkl"
    old.write_bytes(b"x")
    recent.write_bytes(b"x")
    os.utime(old, (1_000, 1_000))
    train(settings)
    assert not old.exists() and recent.exists()
    entry = next(e for e in side.audit.entries() if e.action == "model_file_remove")
    assert (entry.actor, entry.target) == ("tests", old.name)
    code, told = invoke(settings, monkeypatch, "verify")
    assert (code, [finding["cause"] for finding in told["findings"]]) == (0, ["recent_file"])


def test_a_snapshot_needs_no_private_key(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(settings.data_folder))
    monkeypatch.setenv("FAIRREEL_REGISTRY_FOLDER", str(settings.registry_folder))
    # The log would keep the runner's stream, which is closed when other tests write to it.
    monkeypatch.setattr(snapshot, "configure_json_log", lambda level: None)
    assert CliRunner().invoke(snapshot.command, [], standalone_mode=False).exception is None
    assert not settings.signing_key().parent.exists()


def test_a_training_without_the_private_key_says_so_and_keeps_the_public_one(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    public = public_key_file(settings.signing_key())
    trusted = public.read_bytes()
    settings.signing_key().unlink()
    with pytest.raises(UnusableKey):
        train(settings)
    assert "is missing" in lines_of(settings)[-2]["text"]
    assert public.read_bytes() == trusted and len(side.allow_list.records()) == 2


def test_an_empty_store_is_nothing_to_train_on(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert train(settings) == (2, "nothing")
    assert not settings.registry_folder.exists()


def test_while_another_process_trains_nothing_is_done(settings: Settings, side: StoreSide) -> None:
    token = side.leases.acquire(RETRAIN_LEASE, "another", 60)
    assert token is not None
    assert train(settings) == (1, "busy")
    assert side.allow_list.records() == []
    side.leases.release(RETRAIN_LEASE, token)
    assert train(settings) == (0, "published")


def test_a_training_that_lost_its_lease_publishes_nothing(
    settings: Settings, side: StoreSide
) -> None:
    late = side.leases.acquire(RETRAIN_LEASE, "late", 0)
    assert late is not None and side.leases.acquire(RETRAIN_LEASE, "next", 60) is not None
    lease = HeldLease(side.leases, RETRAIN_LEASE, late, 60, lambda: None)
    options = TrainingOptions(("popularity",), "temporal", GateBounds(), 10, 60)
    log = TrainingLog(settings.data_folder / "training.log", lambda line: None, True, lambda: 0)
    with open_training(settings) as parts, pytest.raises(LeaseLost):
        train_and_publish(parts, options, lease, log, "late", lambda: None)
    assert side.allow_list.records() == []
    found = open_model_files(settings, publishing=False).audit_folder([])
    assert {finding.cause for finding in found} == {"extra_file"}


def test_old_models_are_removed(settings: Settings, side: StoreSide) -> None:
    few = settings.model_copy(update={"models_kept": 2})
    for _ in range(4):
        train(few)
    assert statuses(side) == ["retired"] * 4 + ["previous", "available", "serving", "available"]
    files = open_model_files(settings, publishing=False)
    assert len(files.present()) == 4
    assert files.audit_folder(side.allow_list.records()) == []


def test_the_registry_is_verified_from_the_command_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(settings)
    assert invoke(settings, monkeypatch, "verify") == (0, {"models": 2, "findings": []})
    pickle = next(settings.registry_folder.rglob("*.pkl"))
    content = bytearray(pickle.read_bytes())
    content[len(content) // 2] ^= 1
    pickle.write_bytes(content)
    (pickle.parent / "notes.pkl").write_bytes(b"x")
    code, told = invoke(settings, monkeypatch, "verify")
    assert code == 1
    assert sorted(finding["cause"] for finding in told["findings"]) == ["extra_file", "hash"]


COMMAND = (sys.executable, "-m", "fairreel", "train", "--json", "--watch-parent")
PARENT = """
import sys, time
from tests.worker_fakes import KeptAudit, KeptTelemetry
from workers.retrain import Retrainer
r = Retrainer(sys.argv[1:], 60, KeptTelemetry(), KeptAudit(), lambda: 0)
r.request("why", "a")
while r.status().progress.get("text") != "taking a snapshot":
    time.sleep(0.01)
print(r._child.pid, file=sys.stderr, flush=True)
r.wait()
"""


@pytest.fixture
def waiting(settings: Settings, side: StoreSide, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings in the environment; trainings wait for a snapshot that is never finished."""
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(settings.data_folder))
    monkeypatch.setenv("FAIRREEL_REGISTRY_FOLDER", str(settings.registry_folder))
    monkeypatch.chdir(ROOT)
    assert side.leases.acquire(SNAPSHOT_LEASE, "never done", 600) is not None
    return settings


def acquire_soon(side: StoreSide) -> bool:
    """Whether the lease is free long before it would expire."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if side.leases.acquire(RETRAIN_LEASE, "next", 60) is not None:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.usefixtures("waiting")
def test_a_training_ends_and_frees_its_lease_when_its_parent_is_killed(side: StoreSide) -> None:
    parent = subprocess.Popen(
        (sys.executable, "-c", PARENT, *COMMAND), stderr=subprocess.PIPE, text=True
    )
    try:
        assert parent.stderr is not None
        child = int(parent.stderr.readline())
        assert os.getpriority(os.PRIO_PROCESS, child) == 10
        assert side.leases.acquire(RETRAIN_LEASE, "next", 60) is None
        parent.kill()
        parent.wait(10)
        assert acquire_soon(side)
        deadline = time.monotonic() + 5
        while Path(f"/proc/{child}/cmdline").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        left = Path(f"/proc/{child}/cmdline")
        assert not left.exists() or not left.read_bytes()  # gone, or dead and not yet reaped
    finally:
        parent.kill()
        parent.communicate()
    assert side.allow_list.records() == []


def test_a_stopped_training_frees_its_lease(waiting: Settings, side: StoreSide) -> None:
    telemetry = KeptTelemetry()
    retrainer = Retrainer(COMMAND, 60, cast(Telemetry, telemetry), KeptAudit(), lambda: 0)
    retrainer.request("why", "a")
    deadline = time.monotonic() + 30
    while retrainer.status().progress.get("text") != "taking a snapshot":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    began = time.monotonic()
    retrainer.stop()
    assert time.monotonic() - began < 2  # by the signal, not by the SIGKILL after the grace
    assert retrainer.status().outcome == "stop"
    assert acquire_soon(side)
    assert lines_of(waiting)[-1]["outcome"] == "stop"
