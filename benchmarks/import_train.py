"""Import, training and serving of MovieLens data, as the program does them.

  ML-100K  ratings with their times; import, train (temporal split) and start to the first list
  ML-1M    ordered.parquet (userID, movieID, position: no ratings, no times): imported as watches,
           time = 2000-01-01 + position in minutes, films of movies.dat, people of users.dat;
           split leave_last_out; then one personalised list for each user in turn, and the
           resident memory of the process that answered
Each step is a process of its own (`python -m fairreel ...`), its start included; the seconds that
the step itself tells stand beside it. Data folder: holds ml-100k/ and ml-1m/.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ids import users_with_history
from benchmarks.process_memory import resident_mib
from benchmarks.program import ROOT, Program, send

ML_1M = (
    "--user", "userID", "--item", "movieID", "--position", "position", "--type", "watch",
    "--start", "2000-01-01", "--step-s", "60",
)
NEIGHBOUR_MODELS = ("transition_knn", "knn")


@dataclass
class Measured:
    """Rows of the table, in order: what, value."""

    name: str
    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, what: str, value: str) -> None:
        """One more row, printed at once too."""
        self.rows.append((what, value))
        print(f"{self.name}: {what}: {value}", flush=True)


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Settings of a program in `home`, by name without prefix."""
    return {"data_folder": str(home / "data"), "registry_folder": str(home / "registry"),
            "outputs_folder": str(home / "outputs"),
            "rate_limit_per_minute": "1000000000", "log_level": "WARNING", **settings}


def command(settings: dict[str, str], *arguments: str) -> tuple[float, str]:
    """Run `python -m fairreel` with arguments; its seconds and what it printed.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    variables = {f"FAIRREEL_{name.upper()}": value for name, value in settings.items()}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "fairreel", *arguments], cwd=ROOT, env=os.environ | variables,
        capture_output=True, text=True, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, arguments, done.stdout, done.stderr)
    return time.monotonic() - began, done.stdout


def import_and_train(measured: Measured, settings: dict[str, str], *source: str) -> None:
    """Import, train two models, then those of the settings, with what they say of themselves."""
    seconds, said = command(settings, "import", "--json", *source)
    report = json.loads(said)
    measured.add("imported", f"{report['events']:,} events, {report['movies']:,} films, "
                             f"{report['people']:,} people, {report['rejected']} left out")
    measured.add("import", f"{seconds:.1f} s ({report['seconds']:.1f} s of it importing)")
    seconds, told, _ = train(settings | {"models": json.dumps(NEIGHBOUR_MODELS)})
    measured.add(f"snapshot; fit, evaluate, audit, fit on all, publish {len(NEIGHBOUR_MODELS)} "
                 "neighbour models", f"{seconds:.1f} s ({told:.1f} s without its start)")
    seconds, told, models = train(settings)
    measured.add(f"the same with the {len(models)} models of the settings",
                 f"{seconds:.1f} s ({told:.1f} s without its start)")
    for name, version_id in models:
        measured.add(f"{name}, {_of_manifest(settings, version_id, 'split')}",
                     _metrics(_of_manifest(settings, version_id, "metrics")))


def train(settings: dict[str, str]) -> tuple[float, float, list[tuple[str, str]]]:
    """Seconds with and without the start of the process; name and version id of each model."""
    seconds, said = command(settings, "train", "--json")
    lines = [json.loads(line) for line in said.splitlines()]
    told = next(line["seconds"] for line in lines if line["event"] == "finished")
    return seconds, told, [(line["name"], line["version_id"]) for line in lines
                           if line["event"] == "model"]


def _of_manifest(settings: dict[str, str], version_id: str, name: str) -> Any:
    file = Path(settings["registry_folder"]) / "models" / f"model_v{version_id}.json"
    return json.loads(file.read_text())[name]


def _metrics(metrics: dict[str, dict[str, float]]) -> str:
    value = {name: metric["value"] for name, metric in metrics.items()}
    low, high = metrics["ndcg_at_10"]["low"], metrics["ndcg_at_10"]["high"]
    return (f"HR@10 {value['hit_rate_at_10']:.4f}, NDCG@10 {value['ndcg_at_10']:.4f} "
            f"[{low:.4f}, {high:.4f}], coverage@10 {value['coverage_at_10']:.3f}, "
            f"{value['lists']:.0f} lists")


def serve(measured: Measured, settings: dict[str, str], home: Path, requests: int) -> None:
    """Start, first list, `requests` personalised lists over all users, memory."""
    users = users_with_history(home / "data")
    program = Program(settings, home / "output")
    began = time.monotonic()
    with program.start():
        ask(program, users[:1])
        measured.add("start to first list", f"{time.monotonic() - began:.1f} s")
        (worker,) = program.workers()
        measured.add("resident after the first list", f"{resident_mib(worker):.0f} MiB")
        spread = [users[n * len(users) // requests % len(users)] for n in range(requests)]
        times = sorted(ask(program, spread))
        measured.add(f"{requests:,} personalised lists over {len(set(spread)):,} users",
                     f"p50 {times[len(times) // 2]:.1f} ms, p99 {times[len(times) * 99 // 100]:.1f}"
                     " ms, one after the other")
        measured.add("resident after them", f"{resident_mib(worker):.0f} MiB")
        ask(program, users)
        measured.add(f"resident after one for each of {len(users):,} users",
                     f"{resident_mib(worker):.0f} MiB")


def ask(program: Program, users: Iterable[str]) -> list[float]:
    """One list for each; milliseconds.

    Raises:
        RuntimeError: an answer was not a personalised list of ten.
    """
    times = []
    with closing(http.client.HTTPConnection("127.0.0.1", program.port)) as connection:
        for user in users:
            began = time.perf_counter()
            answer = send(connection, "GET", f"/recommend?user_id={user}&k=10")
            times.append((time.perf_counter() - began) * 1000)
            body = answer.json()
            if not body.get("is_personalized") or len(body["recommendations"]) != 10:
                raise RuntimeError(f"user {user}: {answer.status} {answer.body[:300]!r}")
    return times


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="holds ml-100k/ and ml-1m/")
    parser.add_argument("--requests", type=int, default=2_000)
    arguments = parser.parse_args()
    small, large = Measured("ML-100K"), Measured("ML-1M")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "ml-100k"
        settings = environment(home)
        home.mkdir()
        import_and_train(small, settings, str(arguments.data / "ml-100k"))
        serve(small, settings, home, arguments.requests)
        home = Path(folder) / "ml-1m"
        settings = environment(home, split="leave_last_out")
        home.mkdir()
        source = arguments.data / "ml-1m"
        import_and_train(
            large, settings, str(source / "ordered.parquet"), *ML_1M,
            "--movies", str(source / "movies.dat"), "--people", str(source / "users.dat"))
        serve(large, settings, home, arguments.requests)
    for measured in (small, large):
        print(f"\n| {measured.name} | |\n|---|---|")
        for what, value in measured.rows:
            print(f"| {what} | {value} |")


if __name__ == "__main__":
    main()
