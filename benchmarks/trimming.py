"""What accepting events costs while the outbox is trimmed: `python -m benchmarks.trimming`.

One thread accepts an event at a time (each waits for its fsync) while nothing else happens, then
while old rows are removed, in turns; times in one run, the ratio is what counts.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
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


@click.command()
@click.option("--rows", default=100_000, show_default=True, help="Old rows in each round.")
@click.option("--rounds", default=3, show_default=True)
def main(rows: int, rounds: int) -> None:
    """Print medians and 99th percentiles of the milliseconds to accept one event."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{Path(folder)}/log.db", "log")
        log = EmbeddedLog(engine, 1)
        trim = OutboxTrim(engine, EVENT_TOPICS, lambda _log: {TopicPartition(RATINGS, 0): 2**40})
        alone: list[float] = []
        beside: list[float] = []
        rate: list[float] = []
        for turn in range(rounds):
            first = 10**9 + turn * rows
            value = encode(_event("old"))
            for start in range(0, rows, 5_000):
                with writing(engine) as connection:
                    bulk_insert(connection, outbox, _COLUMNS, [
                        (f"old-{turn}-{n}", RATINGS, 0, first + n, "u1", value, 1_000)
                        for n in range(start, min(start + 5_000, rows))])
            done = threading.Event()
            threading.Timer(3.0, done.set).start()
            alone += _accept(log, f"alone-{turn}", done)
            done = threading.Event()
            rate.append(0.0)

            def run(ended: threading.Event = done) -> None:
                began = time.perf_counter()
                job = TrimJob([Kept("outbox", 1, trim)], _Silent(), lambda: _NOW_MS)  # type: ignore[arg-type]
                removed = job.run()["outbox"]
                rate[-1] = removed / (time.perf_counter() - began)
                ended.set()

            thread = threading.Thread(target=run)
            thread.start()
            beside += _accept(log, f"beside-{turn}", done)
            thread.join()
        log.close()
        engine.dispose()
    for name, times in (("alone", alone), ("while trimming", beside)):
        p99 = statistics.quantiles(times, n=100)[98]
        print(f"{name:<16} {len(times):>6} events  p50 {statistics.median(times):7.2f} ms"
              f"  p99 {p99:7.2f} ms  max {max(times):7.2f} ms")
    print(f"rows removed a second: {statistics.median(rate):,.0f}")


if __name__ == "__main__":
    main()
