"""Keys are made once, kept private, and can be rotated."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from adapters.signing import SIGNATURE_BYTES, open_signer, open_verifier, public_key_file
from recommender.errors import UnusableKey


def test_the_first_start_makes_a_private_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "signing.pem"
    open_signer(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert sorted(f.name for f in file.parent.iterdir()) == ["signing.pem", "signing.pub.pem"]


def test_the_second_start_keeps_the_key(tmp_path: Path) -> None:
    first = open_signer(tmp_path / "signing.pem")
    assert open_signer(tmp_path / "signing.pem").key_id == first.key_id


def test_a_lost_private_key_does_not_replace_the_trusted_public_one(tmp_path: Path) -> None:
    private = tmp_path / "signing.pem"
    open_signer(private)
    trusted = public_key_file(private).read_bytes()
    private.unlink()
    with pytest.raises(UnusableKey, match="is missing"):
        open_signer(private)
    assert not private.exists() and public_key_file(private).read_bytes() == trusted


def test_the_public_key_of_another_pair_is_not_overwritten(tmp_path: Path) -> None:
    private, public = tmp_path / "signing.pem", public_key_file(tmp_path / "signing.pem")
    open_signer(private)
    open_signer(tmp_path / "other.pem")
    other = public_key_file(tmp_path / "other.pem").read_bytes()
    public.write_bytes(other)
    with pytest.raises(UnusableKey, match="is not the public key"):
        open_signer(private)
    assert public.read_bytes() == other
    public.unlink()
    assert open_signer(private).key_id in open_verifier([public]).key_ids


def test_the_key_id_is_the_hash_of_the_public_key(tmp_path: Path) -> None:
    signer = open_signer(tmp_path / "signing.pem")
    public = load_pem_public_key(public_key_file(tmp_path / "signing.pem").read_bytes())
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert signer.key_id == hashlib.sha256(raw).hexdigest()[:16]


def test_processes_that_start_at_once_end_with_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from adapters.signing import open_signer;"
        "print(open_signer(Path(sys.argv[1])).key_id)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "keys" / "signing.pem")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate(timeout=20)[0] for process in started}) == 1


def test_the_public_key_alone_verifies(tmp_path: Path) -> None:
    signer = open_signer(tmp_path / "signing.pem")
    public = public_key_file(tmp_path / "signing.pem")
    (tmp_path / "signing.pem").unlink()
    signature = signer.sign(b"data")
    assert len(signature) == SIGNATURE_BYTES
    verifier = open_verifier([public])
    assert verifier.signed_by(b"data", signature) == signer.key_id
    assert verifier.signed_by(b"date", signature) is None


def test_after_a_rotation_signatures_of_both_keys_are_accepted(tmp_path: Path) -> None:
    old, new = open_signer(tmp_path / "old.pem"), open_signer(tmp_path / "new.pem")
    files = [public_key_file(tmp_path / name) for name in ("new.pem", "old.pem")]
    both = open_verifier(files)
    assert both.signed_by(b"data", old.sign(b"data")) == old.key_id
    assert both.signed_by(b"data", new.sign(b"data")) == new.key_id
    assert open_verifier(files[:1]).signed_by(b"data", old.sign(b"data")) is None


@pytest.mark.parametrize("length", [0, 1, 63, 65, 1000])
def test_a_signature_of_the_wrong_length_is_no_signature(tmp_path: Path, length: int) -> None:
    open_signer(tmp_path / "signing.pem")
    verifier = open_verifier([public_key_file(tmp_path / "signing.pem")])
    assert verifier.signed_by(b"data", b"\0" * length) is None


def test_a_file_of_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    open_signer(tmp_path / "signing.pem")
    with pytest.raises(ValueError, match="PEM"):
        open_verifier([tmp_path / "signing.pem"])
    (tmp_path / "broken.pem").write_text("no key")
    with pytest.raises(ValueError, match="PEM"):
        open_signer(tmp_path / "broken.pem")
