"""`make bench-rollback`: seconds from the first bad answer of a canary until nobody gets one.

The candidate is the model of popular films, which collapses exposure. Half of the users get it;
each asks once, and then those of the candidate's arm ask until the stable model answers them again.
The promise is one judging interval plus 5 s, counted here from the first answer of the candidate.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.demo import Demo, make_demo
from recommender.simulate import WorldSpec

ALLOWED_S = 5.0
CANDIDATE = "popularity"


def seconds_to_roll_back(demo: Demo, users: Sequence[str], within_s: float) -> float:
    """From the first answer of the candidate to the last; the canary has ended then.

    Raises:
        RuntimeError: the canary cannot be begun, nobody gets the candidate, or it is not taken
            back for everybody within this time.
    """
    _ask(demo, "POST", f"/rollout/update?strategy=canary&canary_version={CANDIDATE}"
                       "&canary_percentage=50")
    began = _first_of_candidate(demo, users, within_s)
    arm = [user for user in users if _variant(demo, user) == "B"]
    while _variant(demo, arm[0]) == "B":
        if time.monotonic() - began > within_s:
            raise RuntimeError(f"not taken back: {_ask(demo, 'GET', '/rollout/status')}")
        time.sleep(0.05)
    took = time.monotonic() - began
    if late := [user for user in arm if _variant(demo, user) == "B"]:
        raise RuntimeError(f"the candidate goes on with {late}")
    last = _ask(demo, "GET", "/experiments")["experiments"][0]
    if last["outcome"] != "rolled_back":
        raise RuntimeError(f"the canary ended otherwise: {last}")
    return took


def _first_of_candidate(demo: Demo, users: Sequence[str], within_s: float) -> float:
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        for user in users:
            if _variant(demo, user) == "B":
                return time.monotonic()
        time.sleep(0.05)
    raise RuntimeError("nobody gets the candidate")


def _variant(demo: Demo, user: str) -> str:
    return str(_ask(demo, "GET", f"/recommend?user_id={user}")["variant"])


def _ask(demo: Demo, method: str, path: str) -> Any:
    answer = demo.program.ask(method, path, headers={"X-API-Key": demo.admin_secret})
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}: {answer.body!r}")
    return json.loads(answer.body)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between judgements")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fairreel-rollback-") as folder:
        demo = make_demo(Path(folder), WorldSpec(n_users=500, n_events=30_000),
                         canary_judging_interval_s=str(options.interval))
        users = [f"u{n}" for n in range(1, 401)]
        with demo.program:
            took = sorted(seconds_to_roll_back(demo, users, 6 * options.interval + 30)
                          for _ in range(options.runs))
    print("| canaries | judged every | seconds until taken back: least, median, most | allowed |")
    print("|---|---|---|---|")
    print(f"| {len(took)} | {options.interval:g} s | {took[0]:.1f}, {took[len(took) // 2]:.1f}, "
          f"{took[-1]:.1f} | {options.interval + ALLOWED_S:g} |")


if __name__ == "__main__":
    main()
