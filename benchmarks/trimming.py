"""What accepting events costs while the outbox is trimmed: `python -m benchmarks.trimming`.

One thread accepts an event at a time (each waits for its fsync) while nothing else happens, then
while old rows are removed, in turns; times in one run, the ratio is what counts.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click

from adapters.bulk_insert import bulk_insert
from adapters.database import open_database, writing
from adapters.embedded_log import EmbeddedLog
from adapters.outbox_trim import OutboxTrim
from adapters.tables import outbox
from recommender.event_codec import encode
from recommender.topics import EVENT_TOPICS, RATINGS
from recommender.types import Event, EventType, TopicPartition
from workers.trim import Kept, TrimJob

_NOW_MS = 1_763_960_000_000
_COLUMNS = ("event_id", "topic", "partition", "offset", "key", "value", "accepted_at_ms")


class _Silent:
    def rows_trimmed(self, kind: str, count: int) -> None:
        pass


def _event(name: str) -> Event:
    return Event(name, EventType.RATE, "u1", "m1", _NOW_MS, _NOW_MS, "api", 4.0)


def _accept(log: EmbeddedLog, prefix: str, until: threading.Event) -> list[float]:
    """Milliseconds of each accepted event."""
    times: list[float] = []
    while not until.is_set():
        began = time.perf_counter()
        log.accept([_event(f"{prefix}-{len(times)}")])
        times.append((time.perf_counter() - began) * 1000)
    return times


@dataclass(frozen=True, slots=True)
class Round:
    """Milliseconds of each event accepted alone and beside trimming; rows removed a second."""

    alone: list[float]
    beside: list[float]
    removed_per_s: float


def _round(folder: Path, rows: int) -> Round:
    engine = open_database(f"sqlite:///{folder}/log.db", "log")
    log = EmbeddedLog(engine, 1)
    trim = OutboxTrim(engine, EVENT_TOPICS, lambda _log: {TopicPartition(RATINGS, 0): 2**40})
    value = encode(_event("old"))
    for start in range(0, rows, 5_000):
        with writing(engine) as connection:
            bulk_insert(connection, outbox, _COLUMNS, [
                (f"old-{n}", RATINGS, 0, 10**9 + n, "u1", value, 1_000)
                for n in range(start, min(start + 5_000, rows))])
    done = threading.Event()
    threading.Timer(3.0, done.set).start()
    alone = _accept(log, "alone", done)
    done = threading.Event()
    rates: list[float] = []

    def run() -> None:
        began = time.perf_counter()
        job = TrimJob([Kept("outbox", 1, trim)], _Silent(), lambda: _NOW_MS)  # type: ignore[arg-type]
        rates.append(job.run()["outbox"] / (time.perf_counter() - began))
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    beside = _accept(log, "beside", done)
    thread.join()
    log.close()
    engine.dispose()
    return Round(alone, beside, rates[0])


@click.command()
@click.option("--rows", default=100_000, show_default=True, help="Old rows in each round.")
@click.option("--rounds", default=3, show_default=True)
def main(rows: int, rounds: int) -> None:
    """Print medians and 99th percentiles of the milliseconds to accept one event."""
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            found.append(_round(Path(folder), rows))
    for name, times in (("alone", [ms for each in found for ms in each.alone]),
                        ("while trimming", [ms for each in found for ms in each.beside])):
        p99 = statistics.quantiles(times, n=100)[98]
        print(f"{name:<16} {len(times):>6} events  p50 {statistics.median(times):7.2f} ms"
              f"  p99 {p99:7.2f} ms  max {max(times):7.2f} ms")
    print(f"rows removed a second: {statistics.median(r.removed_per_s for r in found):,.0f}")


if __name__ == "__main__":
    main()
