"""Where a model comes from: the code, its dependencies, the interpreter."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

VERSION_ID_FORMAT = "%Y%m%dT%H%M%SZ"


class GitState(BaseModel):
    """The checkout that ran; `sha` and `branch` are None outside of one or before a commit."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    sha: str | None = None
    branch: str | None = None
    dirty: bool = False


class CodeState(BaseModel):
    """All that decides what the code does; `image_digest` is None outside of images."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    git: GitState = GitState()
    lock_file_sha256: str | None = None
    python_version: str
    image_digest: str | None = None


def next_version_id(at_ms: int, taken: Collection[str]) -> str:
    """`YYYYmmddTHHMMSSZ` of the second of `at_ms`, or of the first later one not in `taken`."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    while (version_id := moment.strftime(VERSION_ID_FORMAT)) in taken:
        moment += timedelta(seconds=1)
    return version_id
