"""One training from the store to a served, signed model; and what becomes of it when it is cut."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from adapters.catalogue import SqlCatalogue
from adapters.event_store import SqlEventStore
from commands import registry
from commands.train import run_training
from commands.training_log import TrainingLog
from commands.training_parts import open_training
from commands.training_run import (
    RETRAIN_LEASE,
    SNAPSHOT_LEASE,
    TrainingOptions,
    serving_reference,
    train_and_publish,
)
from composition import StoreSide, open_model_files, open_store
from recommender.errors import LeaseLost, ModelRefused
from recommender.ports import Telemetry
from recommender.schemas import event_frame
from recommender.types import Movie
from settings import Settings
from tests.store_of_tests import new_store
from tests.worker_fakes import KeptAudit, KeptTelemetry
from workers.held_lease import HeldLease
from workers.retrain import Retrainer

ROOT = Path(__file__).parent.parent
FILMS, USERS, SEEN = 60, 80, 20


def fill(folder: Path) -> None:
    """People who walk round a circle of films, so that what comes next is known."""
    rows = []
    for user in range(USERS):
        for step in range(SEEN):
            film, at_ms = (user * 7 + step) % FILMS, 1_000_000 + step * 1_000 + user
            rows.append((f"{user}-{step}", 1, "watch", f"u{user}", f"i{film}", None, None, None,
                         at_ms, at_ms, "test"))  # fmt: skip
    engine = new_store(folder)
    SqlCatalogue(engine).add_movies(Movie(f"i{n}", f"Film {n}") for n in range(FILMS))
    SqlEventStore(engine).apply(event_frame([*zip(*rows, strict=True)]))
    engine.dispose()


def settings_of(folder: Path, **changes: Any) -> Settings:
    values = {
        "data_folder": folder / "data", "registry_folder": folder / "registry",
        "models": ["transition_knn", "popularity"],
    }  # fmt: skip
    return Settings(**(values | changes))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    fill(tmp_path / "data")
    return settings_of(tmp_path)


@pytest.fixture
def side(settings: Settings) -> Iterator[StoreSide]:
    with closing(open_store(settings)) as side:
        yield side


def lines_of(settings: Settings) -> list[dict[str, Any]]:
    text = (settings.data_folder / "training.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


def train(settings: Settings) -> tuple[int, str]:
    """Exit code and outcome."""
    code = run_training(settings, lambda line: None, "test", "tests")
    return code, lines_of(settings)[-1]["outcome"]


def statuses(side: StoreSide) -> list[str]:
    return [record.status.value for record in reversed(side.allow_list.records())]


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


def test_the_next_training_compares_with_the_serving_model(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    assert train(settings) == (0, "published")
    assert statuses(side) == ["previous", "available", "serving", "available"]
    record = side.allow_list.serving()
    assert record is not None
    manifest = open_model_files(settings, publishing=False).manifest(record.version_id)
    assert manifest.verdict.reason == "not_worse"
    assert manifest.verdict.serving_ndcg == manifest.verdict.candidate_ndcg
    assert manifest.parent_version == side.allow_list.records()[-1].version_id


def test_a_worse_model_is_kept_as_refused_and_not_served(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    before = side.allow_list.serving()
    worse = settings.model_copy(update={"models": ["popularity"]})
    assert train(worse) == (1, "refused")
    assert side.allow_list.serving() == before
    refused = side.allow_list.records()[0]
    assert refused.status == "refused" and "below" in str(refused.reason)
    files = open_model_files(settings, publishing=False)
    assert files.manifest(refused.version_id).verdict.reason == "worse_than_serving"
    with pytest.raises(ModelRefused):
        files.load(refused.version_id, refused)


def test_damaging_the_serving_file_does_not_open_the_gate(
    settings: Settings, side: StoreSide
) -> None:
    train(settings)
    record = side.allow_list.serving()
    assert record is not None
    folder = settings.registry_folder / "models"
    for suffix in ("pkl", "json"):
        (folder / f"model_v{record.version_id}.{suffix}").write_bytes(b"x")
        files = open_model_files(settings, publishing=False)
        reference = serving_reference(files, record)
        assert reference is not None and reference.bundle is None
        worse = settings.model_copy(update={"models": ["popularity"]})
        assert train(worse) == (1, "refused")


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
    options = TrainingOptions(("popularity",), "temporal", 0.05, 10)
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


def invoke(settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, Any]:
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(settings.data_folder))
    monkeypatch.setenv("FAIRREEL_REGISTRY_FOLDER", str(settings.registry_folder))
    done = CliRunner().invoke(registry.command, [*arguments, "--json"], standalone_mode=False)
    return done.return_value, json.loads(done.output) if done.output else done.exception


def test_the_registry_is_verified_from_the_command_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(settings)
    assert invoke(settings, monkeypatch, "verify") == (0, {"models": 2, "findings": []})
    pickle = next(settings.registry_folder.rglob("*.pkl"))
    content = bytearray(pickle.read_bytes())
    content[len(content) // 2] ^= 1
    pickle.write_bytes(content)
    (pickle.parent / "model_v20000101T000000Z.pkl").write_bytes(b"x")
    code, told = invoke(settings, monkeypatch, "verify")
    assert code == 1
    assert sorted(finding["cause"] for finding in told["findings"]) == ["extra_file", "hash"]


def test_a_rollback_from_the_command_line_is_listed_and_audited(
    settings: Settings, side: StoreSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(settings)
    assert "before the serving one" in str(invoke(settings, monkeypatch, "rollback")[1])
    train(settings)
    _, told = invoke(settings, monkeypatch, "rollback")
    assert (told["version"], told["status"]) == (1, "serving")
    assert statuses(side)[:3] == ["serving", "available", "previous"]
    outcomes = [(entry.action, entry.outcome) for entry in side.audit.entries()]
    assert outcomes == [("model_rollback", "done"), ("model_rollback", "refused")]
    current = json.loads((settings.registry_folder / "current.json").read_text())
    assert current["serving"]["version"] == 1


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
