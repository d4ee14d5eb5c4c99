"""`make bench-while-training`: latency of /recommend while a retrain runs, against none running.

On a copy of the data folder and the registry: first for some seconds with nothing else going on,
then from POST /models/retrain until the retrain has ended. Rounds alternate by themselves;
--seconds are those of a round without a retrain.

Without more, one client asks at a steady pace, and figures are over all requests of all rounds.
With --connections 32, wrk asks as fast as that many connections allow (a closed loop: latency is
then mostly waiting in line, and the server and the training want all cores at once); its runs last
two seconds, and figures are medians over the runs, with the worst p95 beside them.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import ids, prepared, server, wrk
from clock import now_ms
from composition import open_store
from recommender.types import Role
from settings import Settings

PAUSE_S = 0.02
RUN_S = 2.0
SIDES = ("no retrain", "a retrain runs")
LUA = Path(__file__).with_name("recommend.lua")


def latencies_ms(address: str, users: Iterator[str], goes_on: Callable[[], bool]) -> list[float]:
    """Milliseconds of each answer, one request every 20 ms, while `goes_on`."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    times: list[float] = []
    while goes_on():
        start = time.perf_counter()
        connection.request("GET", f"/recommend?user_id={next(users)}&k=10")
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - start) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"/recommend answered {answer.status}")
        time.sleep(max(0.0, PAUSE_S - times[-1] / 1000))
    connection.close()
    return times


class Administrator:
    """Starts retrains and asks for their end."""

    def __init__(self, address: str, secret: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
        self._headers = {"X-API-Key": secret}
        self._asked_at = 0.0
        self._running = False

    def retrain(self) -> None:
        """Start one."""
        self._call("POST", "/models/retrain")
        self._running = True

    def training(self) -> bool:
        """Whether it still runs; asks twice a second at most."""
        if self._running and time.perf_counter() - self._asked_at > 0.5:
            self._asked_at = time.perf_counter()
            retrain = self._call("GET", "/models")["retrain"]
            self._running = retrain["running"]
            if not self._running and retrain["outcome"] != "published":
                raise RuntimeError(f"the retrain ended as {retrain['outcome']}")
        return self._running

    def _call(self, method: str, path: str) -> dict[str, dict[str, object]]:
        self._connection.request(method, path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path} answered {answer.status}: {body.decode()}")
        found: dict[str, dict[str, object]] = json.loads(body)
        return found


def admin_secret(folder: Path) -> str:
    """A new administrator's key in the store of a data folder."""
    side = open_store(Settings(data_folder=folder))
    try:
        return side.api_keys.create(Role.ADMIN, "benchmark", now_ms())[1]
    finally:
        side.close()


@contextmanager
def copied(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The server on a copy of the data: its address, and an administrator's key."""
    with tempfile.TemporaryDirectory() as folder:
        data, registry = Path(folder) / "data", Path(folder) / "registry"
        shutil.copytree(arguments.data, data)
        shutil.copytree(arguments.registry, registry)
        secret = admin_secret(data)
        environment = prepared.environment(data, registry)
        with server.serving("app:create_app", environment, "/ready") as (address, _):
            yield address, secret


def one_client(arguments: argparse.Namespace, users: Iterator[str]) -> list[list[float]]:
    """Times without and with a retrain."""
    with copied(arguments) as (address, secret):
        until = time.perf_counter() + arguments.seconds
        alone = latencies_ms(address, users, lambda: time.perf_counter() < until)
        administrator = Administrator(address, secret)
        administrator.retrain()
        return [alone, latencies_ms(address, users, administrator.training)]


def under_load(arguments: argparse.Namespace, users: Iterator[str]) -> list[list[wrk.Load]]:
    """Runs of wrk without and with a retrain; the one in which it ended counts with the others."""
    with copied(arguments) as (address, secret), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "users"
        file.write_text("\n".join(itertools.islice(users, 10_000)) + "\n")

        def run(seconds: float = RUN_S) -> wrk.Load:
            load = wrk.run(address, connections=arguments.connections, seconds=seconds,
                           script=LUA, arguments=(str(file),))
            if load.bad_answers or load.socket_errors:
                raise RuntimeError(f"wrk met errors: {load}")
            return load

        run(4)  # so that neither side pays for the first lists
        alone = [run() for _ in range(max(1, round(arguments.seconds / RUN_S)))]
        administrator = Administrator(address, secret)
        administrator.retrain()
        during = [run()]
        while administrator.training():
            during.append(run())
        return [alone, during]


def tell_one_client(rounds: list[list[list[float]]]) -> None:
    """Print the table of the steady client."""
    print("| /recommend | requests | p50 ms | p95 ms | p99 ms | longest ms |")
    print("|---|---|---|---|---|---|")
    for name, times in zip(SIDES, zip(*rounds, strict=True), strict=True):
        every = sorted(itertools.chain.from_iterable(times))
        p95, p99 = (every[int(len(every) * share)] for share in (0.95, 0.99))
        print(f"| {name} | {len(every)} | {statistics.median(every):.1f} | {p95:.1f} "
              f"| {p99:.1f} | {every[-1]:.0f} |")


def tell_load(rounds: list[list[list[wrk.Load]]], connections: int) -> None:
    """Print the table of the runs of wrk."""
    print(f"{connections} connections in a closed loop; load, server and training share "
          f"{os.cpu_count()} cores\n")
    print("| /recommend | runs | req/s | p50 ms | p95 ms | worst p95 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|")
    for name, sides in zip(SIDES, zip(*rounds, strict=True), strict=True):
        loads = list(itertools.chain.from_iterable(sides))
        middle = [statistics.median(getattr(load, field) for load in loads)
                  for field in ("requests_per_s", "p50_ms", "p95_ms", "p99_ms")]
        worst = max(load.p95_ms for load in loads)
        print(f"| {name} | {len(loads)} | {middle[0]:.0f} | {middle[1]:.1f} | {middle[2]:.1f} "
              f"| {worst:.1f} | {middle[3]:.1f} |")


def main() -> None:
    """Measure and print a table."""
    parser = prepared.argument_parser(__doc__, seconds=8)
    parser.add_argument("--connections", type=int, default=0, help="of wrk; 0: one client, no wrk")
    arguments = parser.parse_args()
    users = itertools.cycle(ids.users_with_history(arguments.data))
    if arguments.connections:
        wrk.require()
        tell_load([under_load(arguments, users) for _ in range(arguments.rounds)],
                  arguments.connections)
    else:
        tell_one_client([one_client(arguments, users) for _ in range(arguments.rounds)])


if __name__ == "__main__":
    main()
