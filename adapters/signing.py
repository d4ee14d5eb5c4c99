"""Ed25519 signatures (RFC 8032) over model manifests. Serving needs the public keys only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from adapters.durable_file import make_once, replace_file
from recommender.errors import UnusableKey

SIGNATURE_BYTES = 64


def key_id_of(public: Ed25519PublicKey) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the raw public key."""
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def public_key_file(private_file: Path) -> Path:
    """Where the public key lies: beside the private one, `signing.pem` -> `signing.pub.pem`."""
    return private_file.with_suffix(".pub.pem")


class Signer:
    """Signs with one private key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.key_id = key_id_of(private.public_key())

    def sign(self, data: bytes) -> bytes:
        """64 bytes of signature."""
        return self._private.sign(data)


class Verifier:
    """Accepts the signatures of several public keys, so that keys can be rotated."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys = {key_id_of(key): key for key in keys}

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of the accepted keys."""
        return tuple(self._keys)

    def signed_by(self, data: bytes, signature: bytes) -> str | None:
        """Id of the accepted key that made the signature, None when none of them did."""
        for key_id, key in self._keys.items():
            try:
                key.verify(signature, data)
            except InvalidSignature:
                continue
            return key_id
        return None


def open_signer(private_file: Path) -> Signer:
    """Read the private key, making both it and the public one beside it when there is neither.

    The folder is made with mode 0700, the key with 0600. Two processes that start at once end
    with the same key. A public key that is there is trusted and never replaced.

    Raises:
        UnusableKey: the public key is there without its private one, or beside another's.
        ValueError: a file holds no Ed25519 key.
    """
    public_file = public_key_file(private_file)
    # Looked for in this order: the maker of a key writes the private file first, so a public one
    # that is there before the look at the private one is no key in the making.
    trusted = public_file.exists()
    if not private_file.exists():
        if trusted:
            raise UnusableKey(
                f"{private_file} is missing and {public_file} is there: models can be verified"
                " but not signed. Put the private key back; to begin with a new pair, move the"
                " public key away first"
            )
        _make_key(private_file)
    private = load_pem_private_key(private_file.read_bytes(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError(f"{private_file} holds no Ed25519 private key")
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signer = Signer(private)
    if not public_file.exists():
        replace_file(public_file, pem)
    elif open_verifier([public_file]).key_ids != (signer.key_id,):
        raise UnusableKey(f"{public_file} is not the public key of {private_file}")
    return signer


def open_verifier(public_files: Iterable[Path]) -> Verifier:
    """Read public keys.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file holds no Ed25519 public key.
    """
    keys = []
    for file in public_files:
        key = load_pem_public_key(file.read_bytes())
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"{file} holds no Ed25519 public key")
        keys.append(key)
    return Verifier(keys)


def _make_key(private_file: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    make_once(private_file, pem, 0o600)
