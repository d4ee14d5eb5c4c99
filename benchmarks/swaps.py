"""`make bench-swaps`: hot swaps of the served model under load, and what a shadow costs.

Clients ask over open connections while an administrator switches between two models. Each answer
has to be 200, and its films those that the model it names gives to this user: recomputed here from
the files of the model and the history of the store.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.demo import Demo, make_demo
from benchmarks.program import send
from composition import open_model_files, open_store
from recommender.serving import RecommendOptions, recommend
from recommender.simulate import WorldSpec
from recommender.types import LOADABLE
from settings import Settings

K = 10


@dataclass(slots=True)
class Swapped:
    """What the clients met; `inconsistent` answers were not those of the model that they name."""

    requests: int = 0
    swaps: int = 0
    failed: int = 0
    inconsistent: int = 0
    versions: Counter[str] = field(default_factory=Counter)


def expected_lists(settings: Settings, users: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Films by (version id, user), for every model that may be loaded."""
    files = open_model_files(settings, publishing=False)
    found = {}
    with closing(open_store(settings)) as side:
        histories = {user: side.store.history(user) for user in users}
        for record in side.allow_list.records():
            if record.status in LOADABLE:
                bundle = files.load_served(record).bundle
                for user, history in histories.items():
                    films = recommend(bundle, history, RecommendOptions(K)).item_ids
                    found[record.version_id, user] = list(films)
    return found


def swap_under_load(demo: Demo, settings: Settings, users: Sequence[str], requests: int,
                    swaps: int, clients: int) -> Swapped:
    """Ask `requests` times and switch `swaps` times meanwhile."""
    expected = expected_lists(settings, users)
    versions = sorted({version for version, _ in expected})[:2]
    outcome, lock = Swapped(), threading.Lock()
    turn = itertools.count()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", demo.program.port, timeout=60)
        with closing(connection):
            while (number := next(turn)) < requests:
                user = users[number % len(users)]
                answer = send(connection, "GET", f"/recommend?user_id={user}&k={K}")
                with lock:
                    outcome.requests += 1
                    if answer.status != 200:
                        outcome.failed += 1
                        continue
                    body: dict[str, Any] = json.loads(answer.body)
                    version = body["provenance"]["model_version"]
                    outcome.versions[version] += 1
                    films = [film["item_id"] for film in body["recommendations"]]
                    outcome.inconsistent += films != expected[version, user]

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for number, version in zip(range(swaps), itertools.cycle(versions), strict=False):
        while outcome.requests < requests * (number + 1) // (swaps + 2):
            if not any(thread.is_alive() for thread in threads):
                break
            time.sleep(0.002)
        answer = demo.program.ask("POST", f"/switch?model={version}",
                                  headers={"X-API-Key": demo.admin_secret})
        if answer.status != 200:
            raise RuntimeError(f"/switch answered {answer.status}: {answer.body!r}")
        outcome.swaps += 1
    for thread in threads:
        thread.join()
    return outcome


def latencies_ms(demo: Demo, users: Sequence[str], requests: int) -> list[float]:
    """One client, one request after the other, every 5 ms."""
    times = []
    with closing(http.client.HTTPConnection("127.0.0.1", demo.program.port, timeout=60)) as open_:
        for number in range(requests):
            began = time.perf_counter()
            send(open_, "GET", f"/recommend?user_id={users[number % len(users)]}&k={K}")
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(0.005)
    return times


def shadow_cost(demo: Demo, candidate: str, users: Sequence[str], requests: int,
                rounds: int) -> tuple[list[float], list[float]]:
    """p95 in ms of each round, without a shadow and with one, in alternating order."""
    without, with_shadow = [], []
    for number in range(rounds):
        order = (False, True) if number % 2 == 0 else (True, False)
        for shadowed in order:
            strategy = f"shadow&canary_version={candidate}" if shadowed else "fixed"
            answer = demo.program.ask("POST", f"/rollout/update?strategy={strategy}",
                                      headers={"X-API-Key": demo.admin_secret})
            if answer.status != 200:
                raise RuntimeError(f"/rollout/update answered {answer.status}: {answer.body!r}")
            time.sleep(2.5)
            times = sorted(latencies_ms(demo, users, requests))
            (with_shadow if shadowed else without).append(times[int(0.95 * len(times))])
    return without, with_shadow


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=8, help="of the shadow's cost")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fairreel-swaps-") as folder:
        demo = make_demo(Path(folder), WorldSpec(n_users=500, n_events=30_000),
                         canary_judging_interval_s="1")
        settings = Settings(data_folder=Path(folder) / "data",
                            registry_folder=Path(folder) / "registry")
        users = [f"u{n}" for n in range(1, 201)]
        with demo.program:
            found = swap_under_load(demo, settings, users, options.requests, options.swaps,
                                    options.clients)
            print("| requests | swaps | failed | not of the model they name | answers by model |")
            print("|---|---|---|---|---|")
            print(f"| {found.requests:,} | {found.swaps} | {found.failed} | {found.inconsistent} "
                  f"| {', '.join(f'{v}: {n}' for v, n in sorted(found.versions.items()))} |")
            serving = demo.program.ask("GET", "/health").json()["model"]["version"]
            candidate = next(v for v in sorted(found.versions) if v != serving)
            without, shadowed = shadow_cost(demo, candidate, users, 1_000, options.rounds)
            ratio = statistics.median(b / a for a, b in zip(without, shadowed, strict=True))
            scored = demo.program.metric("reco_shadow_requests_total", result="scored")
        print("\n| p95 ms without a shadow | with one | ratio, median of the rounds | scored |")
        print("|---|---|---|---|")
        print(f"| {statistics.median(without):.2f} | {statistics.median(shadowed):.2f} | "
              f"{ratio:.3f} | {scored:.0f} |")


if __name__ == "__main__":
    main()
