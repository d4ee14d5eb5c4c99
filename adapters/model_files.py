"""Model files: `model_v{version_id}.pkl` + `.json` (manifest) + `.sig`, verified before unpickling.

Unpickling runs code, so nothing reaches it that is not signed by an accepted key, hashed as the
manifest says and on the allow-list of the store. Each file is read once; what was verified and
what is unpickled are the same bytes in memory.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

import joblib

from adapters.durable_file import replace_file, sync_folder
from adapters.model_folder import FILE_NAME, TEMPORARY_NAME, changed_ms, file_names
from adapters.signing import SIGNATURE_BYTES, Signer, Verifier
from recommender.errors import InvalidField, ModelRefused
from recommender.manifest import VERSION_ID_PATTERN, Manifest, ManifestFile, decode_manifest
from recommender.serving_state import ServedModel
from recommender.types import LOADABLE, ModelRecord

MANIFEST_MAX_BYTES = 1 << 20
_SUFFIXES = ("pkl", "json", "sig")

Bundle = TypeVar("Bundle")


@dataclass(frozen=True, slots=True)
class LoadedModel(Generic[Bundle]):
    """A verified and unpickled model."""

    manifest: Manifest
    bundle: Bundle


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with the folder; `cause` as in `errors.ModelRefused`."""

    file: str
    cause: str
    message: str


class ModelFiles(Generic[Bundle]):
    """The files of one registry.

    Args:
        registry: folder of `current.json`; the models lie in its folder `models`.
        expected: class of the unpickled object; anything else is refused.
        verifier: accepted public keys.
        signer: needed to publish only.
        max_bytes: larger model files are refused unread.
    """

    def __init__(
        self, registry: Path, expected: type[Bundle], verifier: Verifier,
        signer: Signer | None = None, max_bytes: int = 2 << 30,
    ) -> None:  # fmt: skip
        self._registry = registry
        self.folder = registry / "models"
        self._expected = expected
        self._verifier = verifier
        self._signer = signer
        self._max_bytes = max_bytes

    def publish(self, bundle: Bundle, draft: Manifest) -> Manifest:
        """Write and sign a model; returns the draft completed with its file and key id.

        The signature is renamed into place last, so a crash leaves nothing that verifies.

        Raises:
            FileExistsError: there is a file of this version id.
            PermissionError: this registry was opened without a private key.
            OSError: the disk is full or the folder is not writable.
        """
        if self._signer is None:
            raise PermissionError("publishing needs the private key")
        self.folder.mkdir(parents=True, exist_ok=True)
        targets = {suffix: self._path(draft.version_id, suffix) for suffix in _SUFFIXES}
        for path in targets.values():
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, "model file exists", str(path))
        buffer = io.BytesIO()
        joblib.dump(bundle, buffer)
        content = buffer.getbuffer()
        file = ManifestFile(
            name=targets["pkl"].name, size=len(content), sha256=hashlib.sha256(content).hexdigest()
        )
        manifest = draft.model_copy(update={"files": (file,), "key_id": self._signer.key_id})
        raw = manifest.canonical()
        replace_file(targets["pkl"], content)
        replace_file(targets["json"], raw)
        replace_file(targets["sig"], self._signer.sign(raw))
        return manifest

    def load(self, version_id: str, record: ModelRecord | None) -> LoadedModel[Bundle]:
        """Verify and unpickle; `record` is the model's row of the allow-list, None without one.

        Raises:
            ModelRefused: with its cause; nothing was unpickled (except for cause `unreadable`:
                signed and intact, but not loadable by this code).
        """
        manifest, content = self._verified(version_id, record)
        try:
            bundle = joblib.load(io.BytesIO(content))
        except Exception as error:  # whatever unpickling raises, the model cannot serve
            raise ModelRefused(version_id, "unreadable", repr(error)) from error
        if not isinstance(bundle, self._expected):
            raise ModelRefused(version_id, "unreadable", f"holds a {type(bundle).__name__}")
        return LoadedModel(manifest, bundle)

    def load_served(self, record: ModelRecord) -> ServedModel[Bundle]:
        """As `load`, with the provenance that answers tell. Raises ModelRefused."""
        loaded = self.load(record.version_id, record)
        manifest = loaded.manifest
        return ServedModel(
            manifest.name, manifest.version, manifest.version_id,
            manifest.code.git.sha or "unknown", manifest.data_snapshot_id, manifest.created_at_ms,
            loaded.bundle,
        )  # fmt: skip

    def verify(self, version_id: str, record: ModelRecord | None) -> Manifest:
        """All checks of `load` without the unpickling.

        Raises:
            ModelRefused: with its cause.
        """
        return self._verified(version_id, record)[0]

    def manifest(self, version_id: str) -> Manifest:
        """The manifest of a model, its signature checked, whether or not it may be loaded.

        Raises:
            ModelRefused: missing, unsigned or not an intact manifest.
        """
        if not re.fullmatch(VERSION_ID_PATTERN, version_id):
            raise ModelRefused(version_id, "not_allowed", "not a version id")
        raw = self._read(version_id, "json", MANIFEST_MAX_BYTES, "missing")
        signature = self._read(version_id, "sig", SIGNATURE_BYTES, "unsigned")
        key_id = self._verifier.signed_by(raw, signature)
        if key_id is None:
            raise ModelRefused(version_id, "signature", "not signed by an accepted key")
        try:
            manifest = decode_manifest(raw)
        except InvalidField as error:
            raise ModelRefused(version_id, "schema", str(error)) from error
        if manifest.key_id != key_id:
            raise ModelRefused(version_id, "signature", f"signed by {key_id}, names another key")
        if manifest.version_id != version_id:
            raise ModelRefused(version_id, "hash", f"is the manifest of {manifest.version_id}")
        return manifest

    def audit_folder(
        self, records: Iterable[ModelRecord], recent_from_ms: int | None = None
    ) -> list[Finding]:
        """Files that belong to no registered model, and registered models that do not verify.

        Model files changed at `recent_from_ms` or later may be those of a model that is being
        published: their cause is `recent_file` instead of `extra_file`.
        Refused models are held against their signatures too; retired ones should have no files.
        """
        by_id = {record.version_id: record for record in records}
        findings = []
        names = file_names(self.folder)
        for name in names:
            match = FILE_NAME.fullmatch(name)
            if match is not None and match[1] in by_id:
                continue
            if recent_from_ms is not None and (match or TEMPORARY_NAME.fullmatch(name)):
                at_ms = changed_ms(self.folder / name)
                if at_ms is None:
                    continue  # renamed or removed meanwhile
                if at_ms >= recent_from_ms:
                    findings.append(Finding(name, "recent_file", "may be being published"))
                    continue
            findings.append(Finding(name, "extra_file", "belongs to no registered model"))
        for record in by_id.values():
            try:
                if record.status in LOADABLE:
                    self.verify(record.version_id, record)
                elif any(name.startswith(f"model_v{record.version_id}.") for name in names):
                    self._intact(record.version_id, record)
            except ModelRefused as refusal:
                file = self._path(record.version_id, "pkl").name
                findings.append(Finding(file, refusal.cause, str(refusal)))
        return findings

    def present(self) -> frozenset[str]:
        """Version ids with at least one file in the folder."""
        matches = map(FILE_NAME.fullmatch, file_names(self.folder))
        return frozenset(match[1] for match in matches if match)

    def delete(self, version_id: str) -> None:
        """Remove a model's files, the signature first; nothing happens when there are none."""
        for suffix in reversed(_SUFFIXES):
            self._path(version_id, suffix).unlink(missing_ok=True)
        if self._exists():
            sync_folder(self.folder)

    def write_current(self, records: Iterable[ModelRecord], at_ms: int) -> None:
        """Write `current.json` for people: what serves, what came before. Nothing reads it."""
        chosen = {record.status.value: asdict(record) for record in records
                  if record.status.value in ("serving", "previous")}  # fmt: skip
        moment = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        body = {"schema_version": 1, "written_at": moment, "serving": None, "previous": None}
        self._registry.mkdir(parents=True, exist_ok=True)
        text = json.dumps(body | chosen, indent=1, sort_keys=True) + "\n"
        replace_file(self._registry / "current.json", text.encode())

    def _verified(self, version_id: str, record: ModelRecord | None) -> tuple[Manifest, bytes]:
        if record is None or record.version_id != version_id:
            raise ModelRefused(version_id, "not_allowed", "not on the allow-list")
        if record.status not in LOADABLE:
            raise ModelRefused(version_id, "not_allowed", f"it is {record.status}")
        return self._intact(version_id, record)

    def _intact(self, version_id: str, record: ModelRecord) -> tuple[Manifest, bytes]:
        manifest = self.manifest(version_id)
        if (manifest.version, manifest.name) != (record.version, record.name):
            raise ModelRefused(
                version_id, "not_allowed",
                f"holds {manifest.name} version {manifest.version},"
                f" the allow-list says {record.name} version {record.version}",
            )  # fmt: skip
        name = self._path(version_id, "pkl").name
        files = {file.name: file for file in manifest.files}
        if set(files) != {name}:
            raise ModelRefused(version_id, "schema", f"files are {sorted(files)}, not {name}")
        content = self._read(version_id, "pkl", self._max_bytes, "missing")
        digest = hashlib.sha256(content).hexdigest()
        if len(content) != files[name].size or digest != files[name].sha256:
            raise ModelRefused(version_id, "hash", "content is not what the manifest says")
        if digest != record.sha256:
            raise ModelRefused(version_id, "hash", "content is not what the allow-list says")
        return manifest, content

    def _read(self, version_id: str, suffix: str, max_bytes: int, absent: str) -> bytes:
        path = self._path(version_id, suffix)
        try:
            # O_NONBLOCK: a pipe put in the folder must not stop the reader before fstat sees it.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise ModelRefused(version_id, absent, f"{path.name} is missing") from error
        except OSError as error:
            cause = "not_regular" if error.errno == errno.ELOOP else "missing"
            raise ModelRefused(version_id, cause, f"{path.name}: {error.strerror}") from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ModelRefused(version_id, "not_regular", f"{path.name} is no regular file")
            if found.st_size > max_bytes:
                raise ModelRefused(
                    version_id, "too_large", f"{path.name} has {found.st_size} bytes"
                )
            parts, missing = [], found.st_size
            while missing and (part := os.read(descriptor, missing)):
                parts.append(part)
                missing -= len(part)
        finally:
            os.close(descriptor)
        if missing:
            raise ModelRefused(version_id, "hash", f"{path.name} shrank while it was read")
        return b"".join(parts)

    def _path(self, version_id: str, suffix: str) -> Path:
        return self.folder / f"model_v{version_id}.{suffix}"

    def _exists(self) -> bool:
        return self.folder.is_dir()
