"""`make bench-serve`: personalised /recommend against a bare Flask route and a constant body.

Four servers on the same settings, measured in turn, several rounds, alternating order; medians.
  bare      a Flask route that answers {"status": "ok"}
  constant  the product's stack (limiter, metrics, request id) answering a constant body of the
            size of an answer
  kept      /recommend with lists kept until the user's next event or the next model
  computed  /recommend with every list computed
The data folder must hold a store and a model (`make run` once, or --data for another folder).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from benchmarks import prepared, server, wrk
from benchmarks.process_memory import resident_mib

LUA = Path(__file__).with_name("recommend.lua")


@dataclass(frozen=True)
class Contender:
    """A server to measure: its factory, the path, extra settings, and whether users vary."""

    name: str
    factory: str
    path: str
    settings: dict[str, str]
    users: bool = False


CONTENDERS = (
    Contender("bare", "benchmarks.bare:create", "/bare", {}),
    Contender("constant", "benchmarks.constant:create", "/constant", {}),
    Contender("kept", "app:create_app", "/health", {}, users=True),
    Contender("computed", "app:create_app", "/health", {"FAIRREEL_KEPT_LISTS": "false"},
              users=True),
)


def measure(contender: Contender, users_file: Path, arguments: argparse.Namespace,
            environment: dict[str, str]) -> tuple[wrk.Load, float]:
    """One run: warm-up, then the load; returns the figures and the worker's memory in MiB."""
    settings = {**environment, **contender.settings}
    with server.serving(contender.factory, settings, contender.path) as (address, pid):
        script, extra = (LUA, (str(users_file),)) if contender.users else (None, ())
        for seconds in (arguments.warm_up, arguments.seconds):
            load = wrk.run(address + ("" if contender.users else contender.path),
                           connections=arguments.connections, seconds=seconds,
                           script=script, arguments=extra)
        if load.bad_answers or load.socket_errors:
            raise RuntimeError(f"{contender.name}: {load}")
        return load, resident_mib(pid)


def answer_size(environment: dict[str, str], user: str) -> int:
    """Bytes of one personalised answer."""
    with (
        server.serving("app:create_app", environment, "/health") as (address, _),
        urllib.request.urlopen(f"{address}/recommend?user_id={user}&k=10") as answer,
    ):
        body: bytes = answer.read()
    if not json.loads(body)["is_personalized"]:
        raise RuntimeError(f"user {user} got no personalised answer")
    return len(body)


def main() -> None:
    """Measure and print a table and the ratios."""
    parser = prepared.argument_parser(__doc__, seconds=6)
    parser.add_argument("--warm-up", type=float, default=4)
    parser.add_argument("--connections", type=int, default=32)
    arguments = parser.parse_args()
    wrk.require()
    from benchmarks.ids import users_with_history

    users = users_with_history(arguments.data)
    environment = prepared.environment(arguments.data, arguments.registry)
    size = answer_size(environment, users[0])
    with tempfile.TemporaryDirectory() as folder:
        users_file = Path(folder) / "users"
        users_file.write_text("\n".join(users) + "\n")
        environment["BENCH_BODY_BYTES"] = str(size)
        runs: dict[str, list[tuple[wrk.Load, float]]] = {c.name: [] for c in CONTENDERS}
        for round_number in range(arguments.rounds):
            order = CONTENDERS if round_number % 2 == 0 else CONTENDERS[::-1]
            for contender in order:
                runs[contender.name].append(measure(contender, users_file, arguments, environment))
                load = runs[contender.name][-1][0]
                print(f"round {round_number + 1} {contender.name:9} {load.requests_per_s:8.0f}/s "
                      f"p99 {load.p99_ms:.1f} ms", flush=True)
    report(runs, size, len(users))


def report(runs: dict[str, list[tuple[wrk.Load, float]]], size: int, users: int) -> None:
    """Print medians and ratios as Markdown."""
    rate = {n: statistics.median(r.requests_per_s for r, _ in x) for n, x in runs.items()}
    p99 = {n: statistics.median(r.p99_ms for r, _ in x) for n, x in runs.items()}
    print(f"\n{users} users, answers of {size} bytes, medians of {len(runs['bare'])} rounds\n")
    print("| | req/s | of bare | of constant | p50 ms | p99 ms | p99 / bare's | MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, measured in runs.items():
        p50 = statistics.median(r.p50_ms for r, _ in measured)
        memory = statistics.median(m for _, m in measured)
        print(f"| {name} | {rate[name]:.0f} | {rate[name] / rate['bare']:.0%} "
              f"| {rate[name] / rate['constant']:.0%} | {p50:.2f} | {p99[name]:.1f} "
              f"| {p99[name] / p99['bare']:.2f} | {memory:.0f} |")


if __name__ == "__main__":
    main()
