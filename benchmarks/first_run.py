"""How long `make run` takes from a fresh checkout to the first personal recommendation.

Copies the files of the checkout (as `git ls-files` names them, with changes not yet committed) to
a temporary folder and times `make run` there:
  from nothing   no environment: it is made, packages are installed (from the net, or from pip's
                 cache: --no-cache leaves that out), demo world, model, server
  installed      the environment is there, the data folder is not
  again          everything is there
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from benchmarks.program import ROOT, Program

_MADE = ("data", "model_registry/models", "model_registry/current.json")


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the command to the first answer, and to the first personal list."""

    name: str
    answers_s: float
    personal_s: float


def copy_checkout(target: Path) -> int:
    """Copy the files of the checkout; how many."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
        check=True, capture_output=True, text=True)
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    return len(names)


def time_start(name: str, checkout: Path, user: str, within_s: float) -> Start:
    """Run `make run` until it gives `user` a personal list, then end it.

    Raises:
        RuntimeError: it ended, or gave none in time.
    """
    program = Program({}, checkout / "output", ("make", "run"), checkout)
    began = time.monotonic()
    answers_s: float | None = None
    program.launch()
    with program:
        while True:
            elapsed = time.monotonic() - began
            if program.process.poll() is not None or elapsed > within_s:
                raise RuntimeError(f"{name}: no personal list: {program.said()[-1500:]}")
            try:
                answer = program.ask("GET", f"/recommend?user_id={user}&k=10")
            except (OSError, HTTPException):
                time.sleep(0.05)
                continue
            answers_s = answers_s or elapsed
            if answer.status == 200 and answer.json()["is_personalized"]:
                return Start(name, answers_s, time.monotonic() - began)
            time.sleep(0.05)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--user", default="u1", help="somebody of the demo world")
    parser.add_argument("--within", type=float, default=240, help="seconds until it gives up")
    parser.add_argument("--no-cache", action="store_true", help="leave pip's cache out")
    arguments = parser.parse_args()
    # Set in some containers; with it every start compiles all modules anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="first-run-") as folder:
        checkout = Path(folder) / "checkout"
        files = copy_checkout(checkout)
        print(f"{files} files copied; Python {sys.version.split()[0]}", flush=True)
        if arguments.no_cache:
            os.environ["PIP_NO_CACHE_DIR"] = "1"
        starts = []
        for name in ("from nothing", "installed, no data", "again"):
            if name.startswith("installed"):
                for made in _MADE:
                    _remove(checkout / made)
            starts.append(time_start(name, checkout, arguments.user, arguments.within))
            print(f"{name}: {starts[-1].personal_s:.1f} s", flush=True)
    print("\n| `make run` | first answer s | first personal list s |\n|---|---|---|")
    for start in starts:
        print(f"| {start.name} | {start.answers_s:.1f} | {start.personal_s:.1f} |")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
