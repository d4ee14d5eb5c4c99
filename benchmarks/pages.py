"""`make bench-pages`: how soon a page shows something, and how long the server takes for each.

First paint: Chromium, headless, opens / with an empty cache; the browser's own paint times, from
the start of the navigation, on localhost. Routes: every page of the route table over one kept
connection, one request at a time, in turn.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.browser import DESK, chromium
from benchmarks.demo import KNOWN_USER, make_demo
from benchmarks.people import People, Person
from benchmarks.program import Program, send
from benchmarks.visits import Visit, example_values, registered_pages, visits
from recommender.simulate import WorldSpec

_PAINT = """() => new Promise(resolve => {
  const seen = {};
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) seen[entry.name] = entry.startTime;
    if ("first-contentful-paint" in seen) resolve(seen);
  }).observe({ type: "paint", buffered: true });
})"""


def first_paints(people: People, person: Person, times: int) -> list[tuple[float, float]]:
    """(first paint, first contentful paint) of /, in ms, each with an empty cache."""
    found = []
    for _ in range(times):
        with closing(people.context(person, viewport=DESK)) as context:
            page = context.new_page()
            page.goto("/")
            seen = page.evaluate(_PAINT)
            found.append((seen["first-paint"], seen["first-contentful-paint"]))
    return found


def time_routes(program: Program, asked: dict[Visit, tuple[str, str]], times: int
                ) -> dict[Visit, tuple[list[float], int]]:
    """Seconds of each request, and the bytes of the last body; `asked` has paths and cookies.

    Raises:
        RuntimeError: a page does not answer with 200.
    """
    taken: dict[Visit, tuple[list[float], int]] = {visit: ([], 0) for visit in asked}
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=30)
    with closing(connection):
        for _ in range(times):
            for visit, (path, cookie) in asked.items():
                began = time.perf_counter()
                answer = send(connection, "GET", path, headers={"Cookie": cookie})
                elapsed_s = time.perf_counter() - began
                if answer.status != 200:
                    raise RuntimeError(f"{visit}: {answer.status}")
                taken[visit][0].append(elapsed_s)
                taken[visit] = taken[visit][0], len(answer.body)
    return taken


def measure(browser: Browser, program: Program, secret: str, arguments: argparse.Namespace
            ) -> None:
    """Print both tables."""
    people = People(browser, program.address, secret, KNOWN_USER)
    print(f"\n{arguments.movies:,} films, {arguments.users:,} users\n")
    print("| / opened by | first paint ms, median | contentful, median | slowest |")
    print("|---|---|---|---|")
    for person in (Person.NEW, Person.KNOWN):
        first_paints(people, person, 1)  # the first one starts the browser's own processes
        found = first_paints(people, person, arguments.paints)
        first, content = zip(*found, strict=True)
        print(f"| {person} | {statistics.median(first):.0f} | {statistics.median(content):.0f} "
              f"| {max(content):.0f} |")
    examples = example_values(program, people)
    asked = {visit: (visit.address(examples), people.cookie(visit.person))
             for visit in visits() if visit.status == 200}
    time_routes(program, asked, 3)
    print("\n| page | p50 ms | p95 ms | KiB |\n|---|---|---|---|")
    for visit, (seconds, size) in time_routes(program, asked, arguments.requests).items():
        cuts = statistics.quantiles(seconds, n=20)
        print(f"| {str(visit).replace('<', '{').replace('>', '}')} "
              f"| {1000 * cuts[9]:.1f} | {1000 * cuts[18]:.1f} | {size / 1024:.1f} |")


def main() -> None:
    """Make the world, measure and print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--movies", type=int, default=4_000)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--paints", type=int, default=15, help="how often / is opened")
    parser.add_argument("--requests", type=int, default=100, help="for each page")
    arguments = parser.parse_args()
    spec = WorldSpec(n_movies=arguments.movies, n_users=arguments.users,
                     n_events=arguments.events)
    registered_pages()  # composes a program of its own: before anything is timed
    with tempfile.TemporaryDirectory(prefix="bench-pages-") as folder:
        demo = make_demo(Path(folder), spec)
        with demo.program.start(), chromium() as browser:
            measure(browser, demo.program, demo.admin_secret, arguments)


if __name__ == "__main__":
    main()
