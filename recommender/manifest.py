"""The manifest of a model: what is signed, and what a loaded file is held against.

The signature covers the canonical bytes: JSON with sorted keys, no spaces, UTF-8, no NaN. Decoding
is strict: unknown, missing or mistyped fields, and bytes that are not canonical, are refused.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from recommender.errors import InvalidField
from recommender.provenance import CodeState

VERSION_ID_PATTERN = r"^\d{8}T\d{6}Z$"
SNAPSHOT_ID_PATTERN = r"^sha256:[0-9a-f]{64}$"

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0)]
_FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class ManifestFile(_Strict):
    """One file that the manifest vouches for; `size` in bytes."""

    name: _FileName
    size: _Count
    sha256: _Sha256


class Watermark(_Strict):
    """The newest event that the model was fitted on."""

    timestamp_ms: int
    sequence: _Count


class Metric(_Strict):
    """A measured value and its confidence interval, None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


class Finding(_Strict):
    """What one check of the gate found: what it measured, and what that was held against."""

    check: str
    passed: bool
    reason: str
    explanation: str
    measured: Metric | None = None
    bound: float | None = None


class Verdict(_Strict):
    """What the gate said: a short word, a sentence, and the NDCG values that were compared."""

    passed: bool
    reason: str
    explanation: str = ""
    candidate_ndcg: float | None = None
    serving_ndcg: float | None = None
    margin: float | None = None
    findings: tuple[Finding, ...] = ()


class Candidate(_Strict):
    """A model of the same training: how it did and what became of it.

    `dropped` says why it was not trained to the end, None where it was.
    """

    name: str
    metrics: dict[str, Metric] = {}
    passed: bool | None = None
    reason: str | None = None
    chosen: bool = False
    dropped: str | None = None


class Manifest(_Strict):
    """All that is known of a model's origin. Times are UTC milliseconds.

    `version` is the integer of the allow-list, `version_id` names the files, `parent_version`
    is the version id of the model that served when this one was trained. `rows` counts events.
    `metrics` are those of the same configuration fitted on the training part of `split`; it
    differs from `split_requested` when that found too few users. `training_s` is the time of the
    whole run that fitted it, evaluation included. `candidates` are all models of that run, this
    one too. `weighting` are the options under which entries counted in the fit, those in force.
    `rerank` are the strengths of the rerankers under which `metrics` were measured.
    """

    schema_version: Literal[1] = 1
    version: Annotated[int, Field(ge=1)]
    version_id: Annotated[str, Field(pattern=VERSION_ID_PATTERN)]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    key_id: Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")] = ""
    files: tuple[ManifestFile, ...] = ()
    code: CodeState
    created_at_ms: _Count
    trained_from_ms: int
    trained_to_ms: int
    data_snapshot_id: Annotated[str, Field(pattern=SNAPSHOT_ID_PATTERN)]
    watermark: Watermark
    rows: _Count
    users: _Count
    items: _Count
    hyperparameters: dict[str, JsonValue]
    metrics: dict[str, Metric]
    split: str
    split_requested: str
    verdict: Verdict
    parent_version: str | None = None
    training_s: Annotated[float, Field(ge=0)]
    trained_because: Annotated[str, Field(max_length=256)] | None = None
    candidates: tuple[Candidate, ...] = ()
    weighting: dict[str, float] = {}
    rerank: dict[str, float] = {}

    @model_validator(mode="after")
    def _times_in_order(self) -> Self:
        if self.trained_from_ms > self.trained_to_ms:
            raise ValueError("trained_from_ms is after trained_to_ms")
        return self

    def canonical(self) -> bytes:
        """The bytes that are signed."""
        document = self.model_dump(mode="json")
        # Left out where they hold nothing, so that manifests from before they existed stay valid.
        for part, name in ((document, "candidates"), (document, "weighting"),
                           (document, "rerank"), (document, "trained_because"),
                           (document["verdict"], "findings")):
            if not part[name]:
                del part[name]
        return json.dumps(
            document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False,
        ).encode()


def decode_manifest(raw: bytes) -> Manifest:
    """Read canonical bytes.

    Raises:
        InvalidField: names the first bad field, `manifest` when it is not canonical JSON.
    """
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise InvalidField(field, first["msg"]) from error
    if manifest.canonical() != raw:
        raise InvalidField("manifest", "not in canonical form")
    return manifest
