"""Model files that must not serve are refused by the real program, at run time and at its start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import joblib
import pytest

from adapters.signing import open_signer
from benchmarks.program import Program
from composition import open_model_files
from recommender.manifest import Manifest
from recommender.types import ModelRecord, ModelStatus
from tests.running_server import Home, prepared_home

UNLISTED = "20200101T000000Z"


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def file_of(home: Home, record: ModelRecord, suffix: str) -> Path:
    return home.registry / "models" / f"model_v{record.version_id}.{suffix}"


def mark(home: Home) -> Path:
    return home.folder / "was-unpickled"


def flip_a_byte(home: Home, record: ModelRecord) -> str:
    file = file_of(home, record, "pkl")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    return "hash"


def flip_a_byte_of_the_manifest(home: Home, record: ModelRecord) -> str:
    file = file_of(home, record, "json")
    file.write_bytes(file.read_bytes().replace(b'"rows":5', b'"rows":6'))
    return "signature"


def put_in_code(home: Home, record: ModelRecord) -> str:
    joblib.dump(Trap(mark(home)), file_of(home, record, "pkl"))
    return "hash"


def take_the_signature_away(home: Home, record: ModelRecord) -> str:
    file_of(home, record, "sig").unlink()
    return "unsigned"


def sign_with_another_key(home: Home, record: ModelRecord) -> str:
    signer = open_signer(home.folder / "another" / "signing.pem")
    raw = file_of(home, record, "json").read_bytes()
    file_of(home, record, "sig").write_bytes(signer.sign(raw))
    return "signature"


def publish_another_model_under_its_name(home: Home, record: ModelRecord) -> str:
    """Signed with the right key and intact; but the allow-list knows other content."""
    files = open_model_files(home.settings(), publishing=True)
    loaded = files.load(record.version_id, record)
    files.delete(record.version_id)
    files.publish(replace(loaded.bundle, watermark_ms=1), loaded.manifest)
    return "hash"


DAMAGES = (
    flip_a_byte, flip_a_byte_of_the_manifest, put_in_code, take_the_signature_away,
    sign_with_another_key, publish_another_model_under_its_name,
)
Damage = Callable[[Home, ModelRecord], str]


def model(home: Home, name: str) -> ModelRecord:
    with closing(home.side()) as side:
        found = side.allow_list.find(name)
    assert found is not None
    return found


def serving(program: Program) -> str:
    """The name of the model that answers, as three routes tell it."""
    name = program.ask("GET", "/health").json()["model"]["name"]
    provenance = program.ask("GET", "/recommend?user_id=u1").json()["provenance"]
    assert provenance["model"] == name
    assert program.ask("GET", "/ready").json()["status"] == "ready"
    return str(name)


def log_says(home: Home, version_id: str, cause: str) -> bool:
    return any(line["version_id"] == version_id and line["cause"] == cause
               and line["level"] == "error" for line in home.log("model_refused"))


# --- while it runs


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return prepared_home(tmp_path_factory.mktemp("refusals"))


@pytest.fixture(scope="module")
def program(home: Home) -> Iterator[Program]:
    with home.program().start() as program:
        yield program


@pytest.fixture
def restored(home: Home, tmp_path: Path) -> Iterator[None]:
    """The model files as they were, after the test."""
    shutil.copytree(home.registry, tmp_path / "registry")
    yield
    shutil.rmtree(home.registry)
    shutil.copytree(tmp_path / "registry", home.registry)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("damage", DAMAGES)
def test_switching_to_a_damaged_model_is_refused_and_the_old_one_serves(
    home: Home, program: Program, damage: Damage
) -> None:
    wanted = model(home, "knn")
    cause = damage(home, wanted)
    before = program.metric("reco_model_refused_total", cause=cause)
    answer = program.ask("POST", f"/switch?model={wanted.version_id}", headers=home.admin)
    assert answer.status == 409 and answer.headers["content-type"] == "application/problem+json"
    assert wanted.version_id in answer.json()["detail"]
    assert serving(program) == "transition_knn"
    assert program.metric("reco_model_refused_total", cause=cause) == before + 1
    assert log_says(home, wanted.version_id, cause)
    assert not mark(home).exists()
    with closing(home.side()) as side:
        act = side.audit.entries(1)[0]
    assert (act.action, act.outcome, act.target) == ("model_switch", "refused", wanted.version_id)
    assert model(home, wanted.version_id).status is ModelStatus.AVAILABLE


def test_the_restored_model_is_served(home: Home, program: Program) -> None:
    assert program.ask("POST", "/switch?model=knn", headers=home.admin).status == 200
    assert serving(program) == "knn"
    assert program.ask("POST", "/switch?model=transition_knn", headers=home.admin).status == 200


def test_a_model_taken_off_the_allow_list_is_refused(home: Home, program: Program) -> None:
    wanted = model(home, "popularity")
    with closing(home.side()) as side:
        side.allow_list.set_status(wanted.version_id, ModelStatus.REFUSED, 0, "a test")
    answer = program.ask("POST", f"/switch?model={wanted.version_id}", headers=home.admin)
    assert answer.status == 409
    assert serving(program) == "transition_knn"
    assert program.metric("reco_model_refused_total", cause="not_allowed") >= 1
    assert log_says(home, wanted.version_id, "not_allowed")


def put_in_an_unlisted_model(home: Home) -> Manifest:
    """Signed with the right key, but in no row of the allow-list."""
    files = open_model_files(home.settings(), publishing=True)
    record = model(home, "knn")
    loaded = files.load(record.version_id, record)
    return files.publish(
        loaded.bundle, loaded.manifest.model_copy(update={"version_id": UNLISTED, "version": 99}))


def test_a_signed_model_that_was_never_on_the_allow_list_is_refused_in_metric_and_log(
    home: Home, program: Program
) -> None:
    put_in_an_unlisted_model(home)
    before = program.metric("reco_model_refused_total", cause="not_allowed")
    answer = program.ask("POST", f"/switch?model={UNLISTED}", headers=home.admin)
    assert answer.status == 409 and UNLISTED in answer.json()["detail"]
    assert serving(program) == "transition_knn"
    assert program.metric("reco_model_refused_total", cause="not_allowed") == before + 1
    assert log_says(home, UNLISTED, "not_allowed")


# --- at its start


@pytest.mark.parametrize("damage", [flip_a_byte, take_the_signature_away])
def test_a_program_that_finds_its_model_damaged_starts_with_the_one_before(
    tmp_path: Path, damage: Damage
) -> None:
    home = prepared_home(tmp_path)
    damaged = model(home, "knn")
    with closing(home.side()) as side:
        side.allow_list.serve(damaged.version_id, 0)
    cause = damage(home, damaged)
    with home.program().start() as program:
        assert serving(program) == "transition_knn"
        assert program.metric("reco_model_refused_total", cause=cause) >= 1
        assert log_says(home, damaged.version_id, cause)
