"""Which code runs: the git checkout, the lock file, the interpreter."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from pathlib import Path

from recommender.provenance import CodeState, GitState

_GIT_TIMEOUT_S = 10


def read_code_state(repository: Path) -> CodeState:
    """The state of the code in `repository`; what cannot be told (no git, no checkout) is None."""
    lock_file = repository / "requirements.txt"
    digest = hashlib.sha256(lock_file.read_bytes()).hexdigest() if lock_file.is_file() else None
    return CodeState(
        git=_git_state(repository),
        lock_file_sha256=digest,
        python_version=platform.python_version(),
    )


def _git_state(repository: Path) -> GitState:
    top = _git(repository, "rev-parse", "--show-toplevel")
    # A folder inside of another project's checkout is not that project.
    if top is None or Path(top).resolve() != repository.resolve():
        return GitState()
    return GitState(
        sha=_git(repository, "rev-parse", "--verify", "HEAD"),
        branch=_git(repository, "symbolic-ref", "--short", "HEAD"),
        dirty=bool(_git(repository, "status", "--porcelain")),
    )


def _git(repository: Path, *arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    try:
        done = subprocess.run(
            (program, "-C", str(repository), *arguments),
            capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None  # no checkout or no commit yet
    return done.stdout.strip()
