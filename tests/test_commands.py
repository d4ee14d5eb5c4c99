"""The command line on a real store: what it prints, and with which code it ends."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from adapters.database import open_database
from adapters.response_log import SqlResponseLog
from benchmarks.ports import free_port
from commands.progress import ProgressBar, ProgressLines, progress_for, silent
from commands.simulate import store_world, world_unfinished
from composition import open_store
from fairreel import COMMANDS, main
from recommender.answer_text import AnswerText
from recommender.errors import StoreUnavailable
from recommender.simulate import WorldSpec
from recommender.types import AnsweredRecord
from settings import Settings
from tests.import_world import FailingStore, ImportWorld

SMALL = ["--movies", "60", "--users", "30", "--events", "600"]
ROOT = Path(__file__).parent.parent
# Frames of 500 rows; after the third the process is gone, with nothing tidied up.
KILLED_IMPORT = """
import itertools, os, signal
import commands.import_source, fairreel
from adapters.event_store import SqlEventStore
commands.import_source.FRAME_ROWS = 500
apply, calls = SqlEventStore.apply, itertools.count(1)
def apply_or_die(self, frame):
    applied = apply(self, frame)
    if next(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return applied
SqlEventStore.apply = apply_or_die
fairreel.main(["import", "a.csv"])
"""
CSV = "user_id,item_id,rating,timestamp\nu1,m1,4,1700000000\nu1,m2,9,1700000001\n"


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(tmp_path / "data"))
    return tmp_path / "data"


def test_every_command_tells_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert "Exit codes" in listed
    for name in COMMANDS:
        assert f"\n  {name} " in listed
        assert main([name, "--help"]) == 0
        assert capsys.readouterr().out.startswith("Usage: fairreel")


def test_a_first_start_reads_a_file_by_the_columns_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "shop.csv"
    lines = [f"u{n % 40},p{n % 30},2025-01-{1 + n % 28:02}" for n in range(400)]
    file.write_text("\n".join(["customer,product,bought", *lines]))
    assert main(["prepare", "--data", str(file)]) == 2
    assert "make run: COLUMNS='user=<column>'" in capsys.readouterr().err
    columns = "user=customer,item=product,timestamp=bought"
    assert main(["prepare", "--data", str(file), "--columns", columns]) == 0
    told = capsys.readouterr().out
    assert "columns: user = customer, item = product, timestamp = bought" in told
    assert "outcome=published" in told


def test_an_import_is_told_as_json_and_done_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    assert main(["import", "a.csv", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["events"], report["rejected"]) == (1, 1)
    assert report["first_rejected"][0]["line"] == 3
    assert main(["import", "a.csv"]) == 0
    captured = capsys.readouterr()
    assert "a.csv: already imported" in captured.out
    with closing(open_store(Settings())) as side:
        assert side.store.counts()["events"] == 1


def test_broken_lines_fail_a_strict_import_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    assert main(["import", "a.csv", "--strict"]) == 1
    captured = capsys.readouterr()
    assert "a.csv line 3: rating: '9'" in captured.out
    assert captured.err.splitlines()[-1] == "error: a.csv: 1 lines were left out"


def test_an_import_killed_in_the_middle_is_completed_and_nothing_is_in_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"u{n % 97},m{n % 89},{1 + n % 5},{1_700_000_000 + n}\n" for n in range(5_000)]
    (tmp_path / "a.csv").write_text("user_id,item_id,rating,timestamp\n" + "".join(rows))
    child = subprocess.run(
        [sys.executable, "-c", KILLED_IMPORT], cwd=tmp_path, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.returncode == -signal.SIGKILL
    assert main(["import", "a.csv", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["duplicates"], report["events"]) == (1_500, 3_500)
    with closing(open_store(Settings())) as side:
        killed = side.store.state_hash()
        assert side.store.counts()["events"] == 5_000
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(tmp_path / "clean"))
    assert main(["import", "a.csv"]) == 0
    with closing(open_store(Settings())) as side:
        assert side.store.state_hash() == killed


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["import", "nothing.csv"], "nothing.csv"),
        (["import", "bad.csv"], "bad.csv: no usable line"),
        (["import", "bad.csv", "--user", "who"], "'who'"),
        (["import", "bad.csv", "--start", "soon"], "--start"),
        (["simulate", "--movies", "3", "--users", "1", "--events", "100"], "n_events"),
        (["evaluate"], "no events"),
        (["keys", "create", "--role", "admin", "--name", "x", "--user", "u"], "--user"),
        (["keys", "create", "--role", "king", "--name", "x"], "king"),
        (["nonsense"], "nonsense"),
        (["simulate", "--seed", "-1"], "seed"),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_one_line_that_names_it(
    arguments: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.csv").write_text("user_id,item_id,rating,timestamp\nu1,m1,40,1700000000\n")
    assert main(arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and named in lines[0]


def test_a_wrong_setting_ends_with_2_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIRREEL_PORT", "0")
    assert main(["keys", "list"]) == 2
    assert "port" in capsys.readouterr().err
    monkeypatch.setenv("FAIRREEL_PORTT", "1")
    assert main(["keys", "list"]) == 2
    assert "FAIRREEL_PORTT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "value", "arguments"),
    [
        ("STORE_URL", "foo", ["keys", "list"]),
        ("STORE_URL", "mysql://x/y", ["keys", "list"]),
        ("STORE_URL", "nosuch://x/y", ["keys", "list"]),
        ("STORE_URL", "sqlite://", ["keys", "list"]),
        ("STORE_URL", "postgresql+pg8000://x/y", ["keys", "list"]),
        ("RESPONSES_URL", "foo", ["export", "responses"]),
        ("SNAPSHOTS_URL", "bogus://x", ["train"]),
        ("VERIFY_KEY_FILES", '["bad.pem"]', ["registry", "verify"]),
        ("VERIFY_KEY_FILES", '["missing.pem"]', ["registry", "verify"]),
        ("SIGNING_KEY_FILE", "bad.pem", ["train"]),
    ],
)
def test_a_setting_that_a_library_refuses_ends_with_2_and_one_line_that_names_it(
    setting: str, value: str, arguments: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "bad.pem").write_text("no key")
    monkeypatch.setenv(f"FAIRREEL_{setting}", value)
    assert main(arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and f"FAIRREEL_{setting}: " in lines[0]


def test_a_postgresql_that_does_not_answer_ends_with_1_and_one_line_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"postgresql+psycopg://ours:s3cret@127.0.0.1:{free_port()}/nobody"
    monkeypatch.setenv("FAIRREEL_STORE_URL", url)
    assert main(["keys", "list"]) == 1
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "database unavailable: connection failed" in lines[0]
    assert "s3cret" not in said


def test_a_mistake_of_the_code_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no setting is wrong")

    monkeypatch.setattr("adapters.api_keys.SqlApiKeys.keys", broken)
    with pytest.raises(ValueError, match="no setting is wrong"):
        main(["keys", "list"])


def test_corrected_columns_are_refused_until_asked_for_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("who,item,other,time\nu1,m1,u9,1700000000\n")
    assert main(["import", "a.csv", "--user", "who"]) == 0
    assert "no rating column: taken as watches" in capsys.readouterr().out
    assert main(["import", "a.csv", "--user", "other"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: a.csv: 1 events") and "--again" in error
    assert main(["import", "a.csv", "--user", "other", "--again"]) == 0
    with closing(open_store(Settings())) as side:
        assert side.store.counts()["events"] == 2


def test_an_unusable_data_folder_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(tmp_path / "file" / "data"))
    assert main(["keys", "list"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_keys_are_made_listed_rotated_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    def call(*arguments: str) -> dict[str, str]:
        assert main(["keys", *arguments, "--json"]) == 0
        found: dict[str, str] = json.loads(capsys.readouterr().out)
        return found

    first = call("create", "--role", "client", "--name", "phone", "--user", "u1")
    second = call("rotate", first["key_id"])
    with closing(open_store(Settings())) as side:
        assert side.api_keys.verify(first["secret"]) is None
        live = side.api_keys.verify(second["secret"])
        assert live is not None and (live.name, live.user_id) == ("phone", "u1")
        acts = [entry.action for entry in side.audit.entries()]
        assert acts == ["key_revoke", "key_create", "key_create"]
    call("revoke", second["key_id"])
    assert main(["keys", "revoke", second["key_id"]]) == 1
    assert second["key_id"] in capsys.readouterr().err
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert listed.count("revoked") == 2 and second["secret"] not in listed


def test_exported_events_can_be_imported_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["simulate", *SMALL])
    with closing(open_store(Settings())) as side:
        before = side.store.state_hash()
    assert main(["export", "events", "--out", "events.jsonl.gz"]) == 0
    assert "wrote 600 events" in capsys.readouterr().out
    lines = gzip.decompress((tmp_path / "events.jsonl.gz").read_bytes()).splitlines()
    assert {json.loads(line)["type"] for line in lines} == {"rate", "watch"}
    monkeypatch.setenv("FAIRREEL_DATA_FOLDER", str(tmp_path / "other"))
    assert main(["import", "events.jsonl.gz"]) == 0
    with closing(open_store(Settings())) as side:
        assert side.store.state_hash() == before


def test_answers_are_exported_as_others_read_them(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = AnswerText(
        b'{"recommendations":[{"item_id":"m2"},{"item_id":"m1"}],"request_id":"',
        b'","trace":{"generated_at":"',
    )
    engine = open_database(Settings().responses(), "responses")
    log = SqlResponseLog(engine)
    for n in range(3):
        log.record(AnsweredRecord(f"r{n}", 5 + n, "u1", "A", "v1", 3, True, 200, 1_500, text))
    log.close()
    engine.dispose()
    assert main(["export", "responses"]) == 0
    lines = capsysbinary.readouterr().out.splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == ["r0", "r1", "r2"]
    assert json.loads(lines[0]) == {
        "request_id": "r0", "user_id": "u1", "item_ids": ["m2", "m1"], "variant": "A",
        "model_version": "v1", "is_personalized": True, "latency_ms": 1.5, "status": 200,
        "timestamp": 5, "propensities": None,
    }  # fmt: skip


def test_a_simulation_is_stored_once_and_its_file_is_always_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *SMALL, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == 600
    assert main(["simulate", *SMALL]) == 0
    assert "already in the store" in capsys.readouterr().out
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        assert main(["simulate", *SMALL, "--out", name]) == 0
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert not list(tmp_path.glob(".*.part"))


def test_a_simulation_that_was_killed_is_known_and_completed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("commands.simulate.FRAME_ROWS", 100)
    spec = WorldSpec(n_movies=60, n_users=30, n_events=600)
    killed = ImportWorld(FailingStore(frames=3))
    arguments = (spec, killed.store, killed.catalogue, killed.imports, 0)
    assert not world_unfinished(spec, killed.imports)
    with pytest.raises(StoreUnavailable):
        store_world(*arguments)
    assert world_unfinished(spec, killed.imports)
    killed.store.left = -1  # type: ignore[attr-defined]
    assert store_world(*arguments).events == 300
    assert not world_unfinished(spec, killed.imports)
    assert killed.store.counts()["events"] == 600


def test_models_are_evaluated_without_publishing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    main(["simulate", "--movies", "400", "--users", "300", "--events", "15000"])
    capsys.readouterr()
    assert main(["evaluate", "--model", "popularity", "--model", "transition_knn", "--json"]) == 0
    rows = {row["model"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["transition_knn"]["ndcg"]["value"] > rows["popularity"]["ndcg"]["value"]
    assert not (tmp_path / "model_registry").exists()
    assert main(["evaluate", "--model", "popularity"]) == 0
    assert capsys.readouterr().out.startswith("model ")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    assert isinstance(progress_for(False, Terminal()), ProgressBar)
    assert isinstance(progress_for(False, io.StringIO()), ProgressLines)
    assert progress_for(True, Terminal()) is silent


def test_a_bar_stays_on_its_line_until_the_stage_ends() -> None:
    stream, now = Terminal(), [0.0]
    bar = ProgressBar(stream, lambda: now[0])
    for done in range(11):
        now[0] += 0.2
        bar("events", done, 10)
    drawn = stream.getvalue()
    assert drawn.count("\n") == 1 and drawn.endswith("\n")
    assert drawn.count("\r") == 11 and "100%" in drawn


def test_lines_come_every_two_seconds_and_at_the_end() -> None:
    stream, now = io.StringIO(), [0.0]
    lines = ProgressLines(stream, lambda: now[0])
    for done in range(1, 11):
        lines("events", done, 10)
        now[0] += 0.5
    assert stream.getvalue().splitlines() == [
        "events: 5 of 10", "events: 9 of 10", "events: 10 of 10",
    ]  # fmt: skip
