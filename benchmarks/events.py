"""`make bench-events`: ratings accepted and applied a second, against a bare Flask route.

POST /rate from 32 connections, users and films spread, warmed up as the bare route is; counts
what the store has applied, and waits at most 5 s after the load for the backlog to be empty. Then
one client posts ratings and asks for recommendations until the rating shows (`rating ->
reflected`). Works on a copy of the data folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks import ids, prepared, server, wrk

LUA = Path(__file__).with_name("rate.lua")
WARM_UP_S = 2


def metric(address: str, name: str) -> float:
    """Sum of a metric's samples as /metrics shows it."""
    with urllib.request.urlopen(f"{address}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines
               if line.split("{")[0].split(" ")[0] == name)


def post(address: str, path: str, body: dict[str, object]) -> None:
    """POST JSON; raises for anything but 2xx."""
    request = urllib.request.Request(
        address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10):
        return


def reflected_ms(address: str, user: str, film: str) -> float:
    """Milliseconds from the answer to a rating until the history that answers has it."""
    post(address, "/rate", {"user_id": user, "item_id": film, "rating": 5})
    start = time.perf_counter()
    url = f"{address}/recommend?user_id={user}&k=10"
    while time.perf_counter() - start < 10:
        with urllib.request.urlopen(url) as answer:
            reasons = [r["reason"]["item_ids"] for r in json.load(answer)["recommendations"]]
        if any(film in items for items in reasons):
            return (time.perf_counter() - start) * 1000
    raise RuntimeError(f"rating of {film} by {user} did not show within 10 s")


def reflection(address: str, films: list[str], posts: int) -> list[float]:
    """New users rate one film each; how long until their list gives it as the reason."""
    return [reflected_ms(address, f"bench-{number}", films[number % len(films)])
            for number in range(posts)]


def _post_and_drain(address: str, files: tuple[Path, Path], seconds: float,
                    ) -> tuple[wrk.Load, float, float]:
    """Post ratings; the load's figures, how many were applied, seconds until the last was."""
    before = metric(address, "reco_events_applied_total")
    load = wrk.run(address, connections=32, seconds=seconds, script=LUA,
                   arguments=(str(files[0]), str(files[1])))
    ended = time.perf_counter()
    accepted = metric(address, "reco_events_accepted_total")
    while metric(address, "reco_events_applied_total") < accepted:
        if time.perf_counter() - ended > 5:
            raise RuntimeError("backlog not empty 5 s after the load")
        time.sleep(0.05)
    drained = time.perf_counter() - ended
    if load.bad_answers or load.socket_errors:
        raise RuntimeError(f"bad answers under load: {load}")
    return load, accepted - before, drained


def one_round(arguments: argparse.Namespace, files: tuple[Path, Path],
              films: list[str]) -> tuple[float, float, wrk.Load, float, list[float]]:
    """Applied/s, bare/s, the load's figures, seconds to drain, reflection times."""
    with server.serving("benchmarks.bare:create", {}, "/bare") as (address, _):
        wrk.run(address + "/bare", connections=32, seconds=WARM_UP_S)
        bare = wrk.run(address + "/bare", connections=32, seconds=arguments.seconds)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        shutil.copytree(arguments.data, data)
        environment = prepared.environment(data, arguments.registry)
        with server.serving("app:create_app", environment, "/ready") as (address, _):
            _post_and_drain(address, files, WARM_UP_S)
            load, applied, drained = _post_and_drain(address, files, arguments.seconds)
            times = reflection(address, films, arguments.posts)
    return applied / (arguments.seconds + drained), bare.requests_per_s, load, drained, times


def main() -> None:
    """Measure and print."""
    parser = prepared.argument_parser(__doc__, seconds=8)
    parser.add_argument("--posts", type=int, default=100, help="ratings for the reflection time")
    arguments = parser.parse_args()
    wrk.require()
    films = ids.films(arguments.data)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        files = (Path(folder) / "users", Path(folder) / "films")
        files[0].write_text("\n".join(ids.users_with_history(arguments.data)) + "\n")
        files[1].write_text("\n".join(films) + "\n")
        for number in range(arguments.rounds):
            results.append(one_round(arguments, files, films))
            applied, bare, load, drained, _ = results[-1]
            print(f"round {number + 1}: {applied:.0f} applied/s, bare {bare:.0f}/s, "
                  f"p99 {load.p99_ms:.0f} ms, drained in {drained:.2f} s", flush=True)
    times = sorted(t for r in results for t in r[4])
    print("\n| ratings applied/s | bare req/s | ratio | drain s | reflected p50 ms | p95 ms |")
    print("|---|---|---|---|---|---|")
    print(f"| {statistics.median(r[0] for r in results):.0f} "
          f"| {statistics.median(r[1] for r in results):.0f} "
          f"| {statistics.median(r[0] / r[1] for r in results):.1%} "
          f"| {max(r[3] for r in results):.2f} | {statistics.median(times):.0f} "
          f"| {times[int(len(times) * 0.95)]:.0f} |")


if __name__ == "__main__":
    main()
