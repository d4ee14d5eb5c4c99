"""Drive a local server with wrk (Debian package `wrk`) and read its figures."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PERCENTILE = re.compile(r"^\s+([\d.]+)%\s+([\d.]+)(us|ms|s|m)$", re.MULTILINE)
_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """One run of wrk: requests a second, latency in ms, answers outside 2xx/3xx, socket errors.

    p95_ms is told by a script that prints it, as recommend.lua does, and NaN without one.
    """

    requests_per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    bad_answers: int
    socket_errors: int
    p95_ms: float = float("nan")


def require() -> None:
    """End with one line when wrk is not installed."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")


def run(url: str, *, connections: int, seconds: float, script: Path | None = None,
        arguments: tuple[str, ...] = ()) -> Load:
    """Load `url` (on 127.0.0.1) for `seconds` with one wrk thread.

    Raises:
        RuntimeError: wrk failed or printed no figures.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "--timeout", "10s"]
    if script is not None:
        command += ["-s", str(script)]
    command.append(url)
    if arguments:
        command += ["--", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode:
        raise RuntimeError(f"wrk failed: {done.stderr or done.stdout}")
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Figures from what wrk printed."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if rate is None:
        raise RuntimeError(f"wrk printed no rate: {output}")
    percentiles = {
        float(share): float(value) * _UNITS_MS[unit]
        for share, value, unit in _PERCENTILE.findall(output)
    }
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    sockets = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    return Load(
        float(rate.group(1)),
        percentiles.get(50, float("nan")),
        percentiles.get(90, float("nan")),
        percentiles.get(99, float("nan")),
        int(bad.group(1)) if bad else 0,
        sum(map(int, sockets.groups())) if sockets else 0,
        percentiles.get(95, float("nan")),
    )
