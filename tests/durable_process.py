"""A process that accepts and ingests events until it is killed.

Arguments: folder, name of the run, number of threads. For each event that was accepted it writes
its id and a newline to standard output, once `accept` has returned and not before.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import threading
import time
from pathlib import Path

from adapters.database import open_database
from adapters.embedded_log import EmbeddedLog
from adapters.event_store import SqlEventStore
from recommender.types import Event, EventType, Outcome
from tests.worker_fakes import KeptTelemetry
from workers.ingest import IngestWorker

PARTITIONS = 4


def open_parts(folder: Path, store: str = "store") -> tuple[EmbeddedLog, SqlEventStore]:
    log = EmbeddedLog(open_database(f"sqlite:///{folder}/log.db", "log"), PARTITIONS)
    return log, SqlEventStore(open_database(f"sqlite:///{folder}/{store}.db", "store"))


def ingest(log: EmbeddedLog, store: SqlEventStore) -> IngestWorker:
    worker = IngestWorker(
        log, store, KeptTelemetry(), lambda: time.time_ns() // 1_000_000,
        linger_s=0.005, batch_max=50,
    )  # fmt: skip
    worker.start()
    return worker


def some_event(event_id: str) -> Event:
    # Made from the id alone, so that a repeated post is the same event.
    chance = random.Random(event_id)
    rates = chance.random() < 0.7
    return Event(
        event_id=event_id,
        type=EventType.RATE if rates else EventType.WATCH,
        user_id=f"u{chance.randrange(20)}",
        item_id=f"m{chance.randrange(30)}",
        timestamp_ms=1_763_960_000_000 + chance.randrange(50),
        received_at_ms=1_763_960_000_000,
        source="test",
        rating=chance.randrange(1, 11) / 2 if rates else None,
    )


def main() -> None:
    folder, run, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    log, store = open_parts(folder)
    ingest(log, store)

    def post(thread: int) -> None:
        for i in itertools.count():
            # Now and then an id of an earlier run, as a client does that saw no answer.
            again = i % 10 == 9 and int(run) > 0
            event_id = f"{int(run) - 1}-{thread}-{i}" if again else f"{run}-{thread}-{i}"
            answer = log.accept([some_event(event_id)])[0]
            assert answer.outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE), answer
            os.write(1, f"{event_id}\n".encode())

    for thread in range(threads):
        threading.Thread(target=post, args=(thread,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
