"""A model file is unpickled only when it is signed, intact and on the allow-list."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from adapters.model_files import MANIFEST_MAX_BYTES, ModelFiles
from adapters.model_folder import remove_orphans
from adapters.signing import Signer, Verifier, open_signer, open_verifier, public_key_file
from recommender.errors import ModelRefused
from recommender.manifest import Manifest
from recommender.types import LOADABLE, ModelRecord, ModelStatus
from tests.sample_manifest import manifest

FIRST, SECOND = "20261121T003000Z", "20261121T033000Z"


@dataclass(frozen=True, eq=False)
class Bundle:
    """Stands for what is trained."""

    weights: np.ndarray[Any, np.dtype[np.float32]]
    item_ids: tuple[str, ...]


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.file),)


@dataclass
class Registry:
    """A registry with two published models and their rows of the allow-list."""

    root: Path
    signer: Signer
    verifier: Verifier
    files: ModelFiles[Bundle]
    records: dict[str, ModelRecord]

    def file(self, version_id: str, suffix: str) -> Path:
        return self.files.folder / f"model_v{version_id}.{suffix}"

    def refusal(self, version_id: str, record: ModelRecord | None) -> str:
        with pytest.raises(ModelRefused) as caught:
            self.files.load(version_id, record)
        return caught.value.cause


def draft(version: int, version_id: str) -> Manifest:
    return manifest(version=version, version_id=version_id)


def record_of(made: Manifest, status: ModelStatus = ModelStatus.AVAILABLE) -> ModelRecord:
    return ModelRecord(
        made.version, made.version_id, made.name, status, made.files[0].sha256, made.created_at_ms
    )


def bundle(seed: int) -> Bundle:
    rng = np.random.default_rng(seed)
    return Bundle(rng.random(1000, np.float32), tuple(map(str, range(10))))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    signer = open_signer(tmp_path / "keys" / "signing.pem")
    verifier = open_verifier([public_key_file(tmp_path / "keys" / "signing.pem")])
    files = ModelFiles(tmp_path / "registry", Bundle, verifier, signer, max_bytes=100_000)
    records = {}
    for version, version_id in ((1, FIRST), (2, SECOND)):
        made = files.publish(bundle(version), draft(version, version_id))
        records[version_id] = record_of(made)
    return Registry(tmp_path / "registry", signer, verifier, files, records)


def test_what_was_published_is_loaded(registry: Registry) -> None:
    loaded = registry.files.load(FIRST, registry.records[FIRST])
    assert np.array_equal(loaded.bundle.weights, bundle(1).weights)
    assert loaded.manifest.version == 1
    served = registry.files.load_served(registry.records[SECOND])
    assert (served.version, served.version_id, served.git_sha) == (2, SECOND, "a" * 40)
    assert np.array_equal(served.bundle.weights, bundle(2).weights)
    assert loaded.manifest.key_id == registry.signer.key_id
    assert sorted(f.name for f in registry.files.folder.iterdir()) == [
        f"model_v{v}.{suffix}" for v in (FIRST, SECOND) for suffix in ("json", "pkl", "sig")
    ]


@pytest.mark.parametrize("status", list(ModelStatus))
def test_only_loadable_models_of_the_allow_list_are_loaded(
    registry: Registry, status: ModelStatus
) -> None:
    record = replace(registry.records[FIRST], status=status)
    if status in LOADABLE:
        assert registry.files.load(FIRST, record).manifest.version == 1
    else:
        assert registry.refusal(FIRST, record) == "not_allowed"


def test_a_model_without_a_row_is_refused(registry: Registry) -> None:
    assert registry.refusal(FIRST, None) == "not_allowed"
    assert registry.refusal(FIRST, registry.records[SECOND]) == "not_allowed"
    assert registry.refusal("../../tmp/x", None) == "not_allowed"
    elsewhere = replace(registry.records[FIRST], version_id="../../tmp/x")
    assert registry.refusal("../../tmp/x", elsewhere) == "not_allowed"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"version": 7}, "not_allowed"),
        ({"name": "popularity"}, "not_allowed"),
        ({"sha256": "0" * 64}, "hash"),
    ],
)
def test_a_model_that_is_not_what_its_row_says_is_refused(
    registry: Registry, change: dict[str, Any], cause: str
) -> None:
    assert registry.refusal(FIRST, replace(registry.records[FIRST], **change)) == cause


@pytest.mark.parametrize(
    ("suffix", "cause"), [("pkl", "hash"), ("json", "signature"), ("sig", "signature")]
)
def test_one_flipped_bit_anywhere_is_refused(registry: Registry, suffix: str, cause: str) -> None:
    path = registry.file(FIRST, suffix)
    good = path.read_bytes()
    for place in {*range(0, len(good), max(len(good) // 50, 1)), len(good) - 1}:
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        assert registry.refusal(FIRST, registry.records[FIRST]) == cause
    path.write_bytes(good)
    registry.files.load(FIRST, registry.records[FIRST])


@pytest.mark.parametrize(
    ("suffix", "cause"), [("pkl", "missing"), ("json", "missing"), ("sig", "unsigned")]
)
def test_a_missing_file_is_refused(registry: Registry, suffix: str, cause: str) -> None:
    registry.file(FIRST, suffix).unlink()
    assert registry.refusal(FIRST, registry.records[FIRST]) == cause


@pytest.mark.parametrize("suffix", ["pkl", "sig", "json"])
def test_a_cut_or_longer_file_is_refused(registry: Registry, suffix: str) -> None:
    path = registry.file(FIRST, suffix)
    good = path.read_bytes()
    for bad in (good[:-1], good + b"\0", b""):
        path.write_bytes(bad)
        cause = registry.refusal(FIRST, registry.records[FIRST])
        assert cause in ("hash", "signature", "too_large")


@pytest.mark.parametrize(
    ("swapped", "cause"),
    [
        (("pkl",), "hash"), (("json",), "signature"), (("sig",), "signature"),
        (("json", "sig"), "hash"), (("pkl", "json", "sig"), "hash"),
    ],
)  # fmt: skip
def test_files_swapped_between_versions_are_refused(
    registry: Registry, swapped: tuple[str, ...], cause: str
) -> None:
    for suffix in swapped:
        first, second = registry.file(FIRST, suffix), registry.file(SECOND, suffix)
        aside = first.with_suffix(".aside")
        first.rename(aside)
        second.rename(first)
        aside.rename(second)
    assert registry.refusal(FIRST, registry.records[FIRST]) == cause
    assert registry.refusal(SECOND, registry.records[SECOND]) == cause


@pytest.mark.parametrize("suffix", ["pkl", "json", "sig"])
def test_links_and_pipes_are_not_followed(registry: Registry, suffix: str) -> None:
    path = registry.file(FIRST, suffix)
    aside = registry.root / "aside"
    path.rename(aside)
    path.symlink_to(aside)
    assert registry.refusal(FIRST, registry.records[FIRST]) == "not_regular"
    path.unlink()
    os.mkfifo(path)
    assert registry.refusal(FIRST, registry.records[FIRST]) == "not_regular"
    path.unlink()
    path.mkdir()
    assert registry.refusal(FIRST, registry.records[FIRST]) == "not_regular"


def test_an_oversize_file_is_refused_unread(registry: Registry) -> None:
    os.truncate(registry.file(FIRST, "pkl"), 1 << 40)  # sparse: reading it would take all memory
    assert registry.refusal(FIRST, registry.records[FIRST]) == "too_large"
    os.truncate(registry.file(SECOND, "json"), MANIFEST_MAX_BYTES + 1)
    assert registry.refusal(SECOND, registry.records[SECOND]) == "too_large"


def test_a_signature_by_an_unknown_key_is_refused(registry: Registry, tmp_path: Path) -> None:
    stranger = open_signer(tmp_path / "other.pem")
    raw = registry.file(FIRST, "json").read_bytes()
    registry.file(FIRST, "sig").write_bytes(stranger.sign(raw))
    assert registry.refusal(FIRST, registry.records[FIRST]) == "signature"


def test_after_a_key_rotation_old_and_new_models_load(registry: Registry, tmp_path: Path) -> None:
    new = open_signer(tmp_path / "new.pem")
    publics = [public_key_file(tmp_path / "new.pem")]
    files = ModelFiles(registry.root, Bundle, open_verifier(publics), new)
    made = files.publish(bundle(3), draft(3, "20261121T063000Z"))
    files.load(made.version_id, record_of(made))
    with pytest.raises(ModelRefused):
        files.load(FIRST, registry.records[FIRST])
    publics.append(public_key_file(tmp_path / "keys" / "signing.pem"))
    files = ModelFiles(registry.root, Bundle, open_verifier(publics), new)
    files.load(FIRST, registry.records[FIRST])
    files.load(made.version_id, record_of(made))


def test_a_manifest_that_names_another_key_is_refused(registry: Registry) -> None:
    raw = registry.file(FIRST, "json").read_bytes()
    changed = raw.replace(registry.signer.key_id.encode(), b"0" * 16)
    registry.file(FIRST, "json").write_bytes(changed)
    registry.file(FIRST, "sig").write_bytes(registry.signer.sign(changed))
    assert registry.refusal(FIRST, registry.records[FIRST]) == "signature"


def test_a_signed_manifest_with_unknown_fields_is_refused(registry: Registry) -> None:
    raw = json.loads(registry.file(FIRST, "json").read_bytes()) | {"extra": 1}
    changed = json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
    registry.file(FIRST, "json").write_bytes(changed)
    registry.file(FIRST, "sig").write_bytes(registry.signer.sign(changed))
    assert registry.refusal(FIRST, registry.records[FIRST]) == "schema"


def test_no_refused_file_is_ever_unpickled(registry: Registry, tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    bomb = tmp_path / "bomb.pkl"
    joblib.dump(Bomb(exploded), bomb)
    shutil.copy(bomb, registry.file(FIRST, "pkl"))
    assert registry.refusal(FIRST, registry.records[FIRST]) == "hash"
    armed = ModelFiles(registry.root, Bomb, registry.verifier, registry.signer)
    made = armed.publish(Bomb(exploded), draft(3, "20261121T063000Z"))
    good = record_of(made)
    for record in (
        None, registry.records[FIRST], replace(good, status=ModelStatus.RETIRED),
        replace(good, status=ModelStatus.REFUSED), replace(good, sha256="0" * 64),
        replace(good, version=9), replace(good, name="knn"),
    ):  # fmt: skip
        with pytest.raises(ModelRefused):
            armed.load(made.version_id, record)
    armed.verify(made.version_id, good)
    armed.audit_folder([good])
    signature = armed.folder / f"model_v{made.version_id}.sig"
    kept = signature.read_bytes()
    signature.unlink()
    with pytest.raises(ModelRefused):
        armed.load(made.version_id, good)
    assert not exploded.exists()
    signature.write_bytes(kept)
    with pytest.raises(ModelRefused, match="holds a NoneType"):
        armed.load(made.version_id, good)
    assert exploded.exists()  # the bomb was live: only verification kept it from going off


def test_a_signed_file_of_another_class_is_refused(registry: Registry) -> None:
    other = ModelFiles(registry.root, dict, registry.verifier, registry.signer)
    made = other.publish({"no": "bundle"}, draft(3, "20261121T063000Z"))
    assert registry.refusal(made.version_id, record_of(made)) == "unreadable"


def test_publishing_needs_the_private_key_and_never_overwrites(registry: Registry) -> None:
    public = ModelFiles(registry.root, Bundle, registry.verifier)
    with pytest.raises(PermissionError):
        public.publish(bundle(3), draft(3, "20261121T063000Z"))
    before = registry.file(FIRST, "pkl").read_bytes()
    with pytest.raises(FileExistsError):
        registry.files.publish(bundle(3), draft(3, FIRST))
    assert registry.file(FIRST, "pkl").read_bytes() == before


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_crash_while_publishing_leaves_nothing_that_verifies(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    left, rename = renames, Path.replace

    def crashing(source: Path, target: Path) -> Path:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", crashing)
    with pytest.raises(KeyboardInterrupt):
        registry.files.publish(bundle(3), draft(3, "20261121T063000Z"))
    with pytest.raises(ModelRefused):
        registry.files.manifest("20261121T063000Z")


def test_extra_files_are_reported_and_sound_ones_are_not(registry: Registry) -> None:
    assert registry.files.audit_folder(registry.records.values()) == []
    (registry.files.folder / "notes.pkl").write_bytes(b"x")
    found = registry.files.audit_folder([registry.records[FIRST]])
    assert {(f.file, f.cause) for f in found} == {
        ("notes.pkl", "extra_file"),
        *((f"model_v{SECOND}.{suffix}", "extra_file") for suffix in ("pkl", "json", "sig")),
    }


def test_what_was_left_behind_is_told_apart_from_what_is_being_published_and_removed(
    registry: Registry,
) -> None:
    folder, known = registry.files.folder, [registry.records[FIRST]]
    temporary = folder / f".model_v{SECOND}.sig.0011223344556677.tmp"
    for name in (temporary.name, "notes.pkl", ".notes.tmp"):
        (folder / name).write_bytes(b"x")
    (folder / "model_v20200101T000000Z.pkl").mkdir()
    left = {temporary.name, *(f"model_v{SECOND}.{suffix}" for suffix in ("pkl", "json", "sig"))}
    for path in folder.iterdir():
        os.utime(path, (1_000, 1_000))
    assert remove_orphans(folder, {FIRST}, 1_000_000) == []

    def causes(cause: str) -> set[str]:
        found = registry.files.audit_folder(known, recent_from_ms=1_000_000)
        return {finding.file for finding in found if finding.cause == cause}

    assert left < causes("recent_file")
    os.utime(registry.file(SECOND, "pkl"), (999, 999))
    assert f"model_v{SECOND}.pkl" in causes("extra_file")
    assert {"notes.pkl", ".notes.tmp"} < causes("extra_file")
    assert set(remove_orphans(folder, {FIRST}, 1_000_001)) == left
    registry.files.verify(FIRST, registry.records[FIRST])
    assert {path.name for path in folder.iterdir()} == {
        "notes.pkl", ".notes.tmp", "model_v20200101T000000Z.pkl",
        *(f"model_v{FIRST}.{suffix}" for suffix in ("pkl", "json", "sig")),
    }


def test_a_damaged_or_missing_model_is_reported(registry: Registry) -> None:
    registry.file(FIRST, "pkl").write_bytes(b"x")
    registry.files.delete(SECOND)
    found = registry.files.audit_folder(registry.records.values())
    assert sorted(f.cause for f in found) == ["hash", "missing"]
    retired = replace(registry.records[SECOND], status=ModelStatus.RETIRED)
    assert registry.files.audit_folder([registry.records[FIRST], retired])[0].cause == "hash"


def test_a_deleted_model_is_gone_and_deleting_again_is_harmless(registry: Registry) -> None:
    registry.files.delete(FIRST)
    registry.files.delete(FIRST)
    assert registry.files.present() == {SECOND}


def test_current_json_tells_people_what_serves(registry: Registry) -> None:
    serving = replace(registry.records[SECOND], status=ModelStatus.SERVING)
    registry.files.write_current([serving, registry.records[FIRST]], 1_795_221_000_000)
    told = json.loads((registry.root / "current.json").read_text())
    assert told["serving"]["version_id"] == SECOND
    assert told["previous"] is None
    assert told["written_at"] == "2026-11-21T00:30:00.000+00:00"
