"""Snapshots on S3: taken, trained from, replayed from, rewritten; failures are one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.snapshot_files import SnapshotFiles
from benchmarks.ports import free_port
from composition import open_snapshots, open_store
from fairreel import main
from recommender.schemas import Columns
from settings import Settings
from tests.s3_server import ACCESS, S3Server, s3_server
from tests.training_world import fill

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def on_s3(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A store with events, whose snapshots go to a folder of the bucket."""
    monkeypatch.chdir(tmp_path)
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAIRREEL_SNAPSHOTS_URL", f"s3://{server.bucket}/{tmp_path.name}")
    monkeypatch.setenv(
        "FAIRREEL_SNAPSHOTS_OPTIONS", json.dumps({"endpoint_url": server.endpoint}))
    fill(tmp_path / "data")
    return Settings()


def test_a_snapshot_is_taken_trained_from_replayed_from_and_rewritten_there(
    on_s3: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["snapshot", "--json"]) == 0
    taken = json.loads(capsys.readouterr().out)
    files = open_snapshots(on_s3).files
    parts = files.paths("events")
    assert len(parts) == 1 and parts[0].startswith("events/date=") and "/hour=" in parts[0]
    assert not (tmp_path / "data" / "snapshots").exists()
    # Nothing is new: the training finds this snapshot, and its data there.
    assert main(["train", "--model", "popularity", "--json"]) == 0
    assert taken["snapshot_id"] in capsys.readouterr().out
    into = f"sqlite:///{tmp_path}/new.db"
    assert main(["replay", "snapshots", "--into", into, "--compare", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["equal"] and report["events"] == taken["events"]
    with closing(open_store(on_s3)) as side:
        user = next(iter(side.store.event_chunks(0, 1)))[Columns.USER].iloc[0]
    assert main(["erase-user", user, "--yes", "--json"]) == 0
    erased = json.loads(capsys.readouterr().out)
    ((old, new),) = erased["snapshots_rewritten"]
    snapshots = open_snapshots(on_s3)
    assert old == taken["snapshot_id"] and snapshots.find(old).snapshot_id == new
    assert user not in set(snapshots.read(snapshots.find(old))[Columns.USER])
    assert parts[0] not in snapshots.files.paths("events")


def test_a_server_that_is_away_and_a_bucket_that_is_not_there_are_one_line(
    on_s3: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIRREEL_SNAPSHOTS_URL", "s3://nobucket/x")
    assert main(["snapshot"]) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(told) == 1 and "snapshots_url: s3://nobucket/x" in told[0]
    monkeypatch.setenv("FAIRREEL_SNAPSHOTS_OPTIONS", json.dumps({
        "endpoint_url": f"http://127.0.0.1:{free_port()}",
        "config_kwargs": {"retries": {"max_attempts": 0}}}))
    assert main(["snapshot"]) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(told) == 1 and "Could not connect" in told[0]


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path) -> None:
    code = ("import sys; sys.modules['s3fs'] = None; from fairreel import main; "
            "sys.exit(main(['snapshot']))")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FAIRREEL_SNAPSHOTS_URL": "s3://bucket/x"})
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "FAIRREEL_SNAPSHOTS_URL: s3://bucket/x" in line and "s3fs" in line
    assert "make install-extra" in line


def test_files_of_an_object_store_are_listed_by_their_path_below_the_root(
    on_s3: Settings,
) -> None:
    files = SnapshotFiles(on_s3.snapshots(), on_s3.snapshots_options)
    files.put("events/a.parquet", b"x")
    assert files.paths("events") == ["events/a.parquet"]
    assert files.modified_ms("events/a.parquet") > 1_700_000_000_000
    files.remove("events/a.parquet")
    assert files.paths("events") == [] and files.get("events/a.parquet") is None
