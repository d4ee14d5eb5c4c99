"""`probe`: simulated users ask, watch and rate at a set rate; what they met is told at the end."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import click
import numpy as np

from commands.outcome import EXIT_FAILED, EXIT_OK, emit, json_option
from recommender.simulate.viewers import DEFAULT_SUCCESS, Viewers

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """How much is asked: `requests` lists at most, for `seconds` at most, `rate` a second."""

    url: str
    requests: int
    seconds: float
    rate: float
    threads: int
    key: str | None = None
    k: int = 10


@dataclass(slots=True)
class ProbeOutcome:
    """What was met; `seconds` of each answered list by variant."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    personal: Counter[str] = field(default_factory=Counter)
    watched: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    took_s: float = 0.0

    @property
    def failed(self) -> int:
        """Calls without an answer, or answered with a status of 500 and above."""
        return sum(count for status, count in self.statuses.items()
                   if status.endswith(" failed") or status.rsplit(" ", 1)[-1] >= "500")

    def summary(self) -> dict[str, Any]:
        """For people and machines."""
        lists = sum(len(times) for times in self.seconds.values())
        return {
            "lists": lists, "seconds": round(self.took_s, 3),
            "lists_per_second": round(lists / self.took_s, 2) if self.took_s else 0.0,
            "failed": self.failed, "statuses": dict(sorted(self.statuses.items())),
            "models": dict(self.models),
            "variants": {
                variant: {
                    "lists": len(times),
                    "personalized_share": self.personal[variant] / len(times),
                    "watched": self.watched[variant],
                    "watched_share": self.watched[variant] / len(times),
                    **_quantiles_ms(times),
                }
                for variant, times in sorted(self.seconds.items())
            },
        }


class Probe:
    """Threads that share one pace; ends by count or by time, whichever comes first."""

    def __init__(self, plan: ProbePlan, viewers: Viewers) -> None:
        self._plan = plan
        self._viewers = viewers
        self._lock = threading.Lock()
        self._begun = 0
        self._outcome = ProbeOutcome()
        self._start_s = 0.0

    def run(self) -> ProbeOutcome:
        """Ask until the end."""
        self._start_s = time.monotonic()
        threads = [threading.Thread(target=self._work, name=f"probe-{n}", daemon=True)
                   for n in range(self._plan.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._outcome.took_s = time.monotonic() - self._start_s
        return self._outcome

    def _work(self) -> None:
        address = urlsplit(self._plan.url)
        made = (http.client.HTTPSConnection if address.scheme == "https"
                else http.client.HTTPConnection)
        connection = made(address.netloc, timeout=_TIMEOUT_S)
        try:
            while (user := self._next()) is not None:
                self._visit(connection, user)
        finally:
            connection.close()

    def _next(self) -> str | None:
        """Whose turn it is, when it has come."""
        with self._lock:
            due_s = self._start_s + self._begun / self._plan.rate
            if self._begun >= self._plan.requests or due_s - self._start_s >= self._plan.seconds:
                return None
            self._begun += 1
            user = self._viewers.next_user()
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        elif time.monotonic() - self._start_s >= self._plan.seconds:
            return None
        return user

    def _visit(self, connection: http.client.HTTPConnection, user: str) -> None:
        began = time.perf_counter()
        answer = self._ask(connection, "GET", f"/recommend?user_id={quote(user)}&k={self._plan.k}")
        seconds = time.perf_counter() - began
        if answer is None:
            return
        variant, films = answer["variant"], [f["item_id"] for f in answer["recommendations"]]
        with self._lock:
            outcome = self._outcome
            outcome.seconds[variant].append(seconds)
            outcome.personal[variant] += answer["is_personalized"]
            outcome.models[str(answer["provenance"]["model_version"])] += 1
            visit = self._viewers.visit(variant, films)
            outcome.watched[variant] += visit.watched is not None
        if visit.watched is not None:
            self._ask(connection, "POST", "/watch", {"user_id": user, "item_id": visit.watched})
        if visit.rated is not None:
            self._ask(connection, "POST", "/rate", {
                "user_id": user, "item_id": visit.rated, "rating": visit.rating})

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str,
             body: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """The JSON of the answer, None for one that is not 200; what came is counted."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._plan.key is not None:
            headers["X-API-Key"] = self._plan.key
        route = path.split("?")[0]
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._count(f"{method} {route} failed")
            return None
        self._count(f"{method} {route} {response.status}")
        if response.status != 200:
            return None
        found: dict[str, Any] = json.loads(content)
        return found

    def _count(self, status: str) -> None:
        with self._lock:
            self._outcome.statuses[status] += 1


def _quantiles_ms(seconds: list[float]) -> dict[str, float]:
    p50, p95, p99 = np.quantile(seconds, (0.5, 0.95, 0.99)) * 1000
    return {"p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2),
            "p99_ms": round(float(p99), 2)}


def _success(_context: click.Context, _parameter: click.Parameter,
             values: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for value in values:
        variant, _, share = value.partition("=")
        try:
            found[variant] = float(share)
        except ValueError:
            raise click.BadParameter(f"{value!r} is not VARIANT=SHARE") from None
        if not variant or not 0 <= found[variant] <= 1:
            raise click.BadParameter(f"{value!r} is not VARIANT=SHARE with a share from 0 to 1")
    return found


@click.command("probe")
@click.option("--url", default="http://127.0.0.1:5000", show_default=True, help="Of the server.")
@click.option("--users", type=click.IntRange(1, 1_000_000), default=200, show_default=True,
              help="How many different users ask.")
@click.option("--user-prefix", default="u", show_default=True,
              help="Users are called PREFIX1, PREFIX2 and so on.")
@click.option("--requests", type=click.IntRange(1, 10_000_000), default=1_000, show_default=True,
              help="Lists asked for at most.")
@click.option("--seconds", type=click.FloatRange(0.1, 86_400), default=60.0, show_default=True,
              help="It ends after so long at the latest.")
@click.option("--rate", type=click.FloatRange(0.01, 10_000), default=20.0, show_default=True,
              help="Lists a second.")
@click.option("--threads", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--success", multiple=True, callback=_success, metavar="VARIANT=SHARE",
              help=f"How often a film of the list is watched; {DEFAULT_SUCCESS} where not given.")
@click.option("--rates", type=click.FloatRange(0, 1), default=0.2, show_default=True,
              help="How often what was watched is rated too.")
@click.option("--key", envvar="FAIRREEL_PROBE_KEY", help="API key of a client.")
@click.option("--seed", type=int, default=0, show_default=True)
@json_option
def command(url: str, users: int, user_prefix: str, requests: int, seconds: float, rate: float,
            threads: int, success: dict[str, float], rates: float, key: str | None, seed: int,
            as_json: bool) -> int:
    """Ask for lists as people do, watch and rate some films, and tell what was met.

    Exit code 1 when a call failed or was answered with a status of 500 and above.
    """
    viewers = Viewers([f"{user_prefix}{n}" for n in range(1, users + 1)], success, rates, seed)
    outcome = Probe(ProbePlan(url, requests, seconds, rate, threads, key), viewers).run()
    summary = outcome.summary()
    lines = [f"{summary['lists']} lists in {summary['seconds']} s, {summary['failed']} failed"]
    for variant, of in summary["variants"].items():
        lines.append(
            f"{variant}: {of['lists']} lists, {of['personalized_share']:.1%} personal, "
            f"{of['watched_share']:.1%} watched, p50 {of['p50_ms']} ms, p95 {of['p95_ms']} ms, "
            f"p99 {of['p99_ms']} ms")
    emit(summary, as_json, lines)
    return EXIT_FAILED if outcome.failed else EXIT_OK
