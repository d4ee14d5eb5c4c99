"""`make bench-while-training`: latency of /recommend while a retrain runs, against none running.

One client asks at a steady pace, on a copy of the data folder and the registry: first for some
seconds with nothing else going on, then from POST /models/retrain until the retrain has ended.
Rounds alternate by themselves; figures are over all rounds.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import ids, server
from clock import now_ms
from composition import open_store
from recommender.types import Role
from settings import Settings

PAUSE_S = 0.02


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


def one_round(arguments: argparse.Namespace, users: Iterator[str]) -> list[list[float]]:
    """Times without and with a retrain."""
    with tempfile.TemporaryDirectory() as folder:
        data, registry = Path(folder) / "data", Path(folder) / "registry"
        shutil.copytree(arguments.data, data)
        shutil.copytree(arguments.registry, registry)
        secret = admin_secret(data)
        environment = {
            "FAIRREEL_DATA_FOLDER": str(data), "FAIRREEL_REGISTRY_FOLDER": str(registry),
            "FAIRREEL_OUTPUTS_FOLDER": str(Path(folder) / "outputs"),
            "FAIRREEL_RATE_LIMIT_PER_MINUTE": "1000000000", "FAIRREEL_LOG_LEVEL": "WARNING",
        }
        with server.serving("app:create_app", environment, "/ready") as (address, _):
            until = time.perf_counter() + arguments.seconds
            alone = latencies_ms(address, users, lambda: time.perf_counter() < until)
            administrator = Administrator(address, secret)
            administrator.retrain()
            return [alone, latencies_ms(address, users, administrator.training)]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder")
    parser.add_argument("--registry", type=Path, default=Path("model_registry"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of a round without a retrain")
    arguments = parser.parse_args()
    users = itertools.cycle(ids.users_with_history(arguments.data))
    rounds = [one_round(arguments, users) for _ in range(arguments.rounds)]
    print("| /recommend | requests | p50 ms | p95 ms | p99 ms | longest ms |")
    print("|---|---|---|---|---|---|")
    for name, times in zip(("no retrain", "a retrain runs"), zip(*rounds, strict=True),
                           strict=True):
        every = sorted(itertools.chain.from_iterable(times))
        p95, p99 = (every[int(len(every) * share)] for share in (0.95, 0.99))
        print(f"| {name} | {len(every)} | {statistics.median(every):.1f} | {p95:.1f} "
              f"| {p99:.1f} | {every[-1]:.0f} |")


if __name__ == "__main__":
    main()
