"""`make bench-kafka`: events a second from the outbox to the topics, from there into the store, and
the time from POST to applied.

A real broker on this machine, SQLite. Relay and ingest are measured each alone, in this process:
the outbox is filled before the relay starts, the topics before ingest does. Then one client posts
ratings to the real program, alone and beside a steady load; applied is when the store has the
event.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer
from sqlalchemy import select

from adapters.database import open_database
from adapters.event_store import SqlEventStore
from adapters.relay_outbox import RelayOutbox
from adapters.relay_queue import SqlRelayQueue
from adapters.tables import applied_events
from adapters.telemetry import PrometheusTelemetry
from benchmarks.fault_load import Load
from benchmarks.fault_site import FaultSite, wait_until
from recommender.event_codec import encode
from recommender.topics import MODEL_METRICS
from recommender.types import Event, EventType
from tests.kafka.broker import Broker
from workers.ingest import IngestWorker
from workers.relay import RelayWorker

_AT_ONCE = 1_000
_WITHIN_S = 600.0
_EACH_S = 0.05


def now_ms() -> int:
    """UTC."""
    return time.time_ns() // 1_000_000


def ratings(count: int) -> list[Event]:
    """Of 1,000 users."""
    at_ms = now_ms()
    return [
        Event(f"rate-{n}", EventType.RATE, f"u{n % 1_000}", f"m{n % 777}", at_ms, at_ms, "bench",
              rating=4.0)
        for n in range(count)
    ]


def relay_rate(site: FaultSite, events: int) -> float:
    """Events a second from the outbox to acknowledged and marked."""
    engine = site.engine("log")
    queue = SqlRelayQueue(engine)
    outbox = RelayOutbox(engine, queue)
    made = ratings(events)
    for start in range(0, events, _AT_ONCE):
        outbox.accept(made[start : start + _AT_ONCE])
    relay = RelayWorker(queue, site.bus, PrometheusTelemetry(now_ms))
    relay.start()
    seconds = wait_until(lambda: queue.backlog() == 0, _WITHIN_S, "all is relayed")
    relay.stop(10)
    outbox.close()
    queue.close()
    engine.dispose()
    return events / seconds


def consume_rate(site: FaultSite, events: int, folder: Path) -> float:
    """Events a second from the topics into an empty store; counted from the first batch on, so
    that it has to be several."""
    engine = open_database(f"sqlite:///{folder}/rates.db", "store")
    store = SqlEventStore(engine)
    ingest = IngestWorker(site.bus, store, PrometheusTelemetry(now_ms), now_ms, group="rates")
    ingest.start()
    wait_until(lambda: store.last_sequence() > 0, 60, "the first batch is applied")
    first, began = store.last_sequence(), time.monotonic()
    wait_until(lambda: store.last_sequence() >= events, _WITHIN_S, "all is applied")
    seconds = time.monotonic() - began
    ingest.stop(10)
    engine.dispose()
    return (events - first) / seconds


def bare_rates(site: FaultSite, events: int) -> tuple[float, float]:
    """Messages a second of kafka-python alone, the same values: sent and acknowledged, read."""
    values = [(event.user_id.encode(), encode(event)) for event in ratings(events)]
    topic = site.space.names.on_kafka(MODEL_METRICS)  # one that nothing else writes
    producer = KafkaProducer(bootstrap_servers=site.broker.address, acks="all")
    producer.partitions_for(topic)
    began = time.monotonic()
    for key, value in values:
        producer.send(topic, value, key)
    producer.flush(timeout=_WITHIN_S)
    sent = events / (time.monotonic() - began)
    producer.close(timeout=5)
    consumer = KafkaConsumer(
        topic, bootstrap_servers=site.broker.address, auto_offset_reset="earliest", group_id=None)
    began, read = time.monotonic(), 0
    while read < events and time.monotonic() < began + _WITHIN_S:
        read += sum(map(len, consumer.poll(timeout_ms=500, max_records=_AT_ONCE).values()))
    received = read / (time.monotonic() - began)
    consumer.close()
    return sent, received


@contextmanager
def looking(site: FaultSite) -> Iterator[Callable[[str], bool]]:
    """Whether the store has an event."""
    engine = site.engine("store")
    try:
        with engine.connect() as connection:

            def there(event_id: str) -> bool:
                query = select(applied_events.c.sequence).where(
                    applied_events.c.event_id == event_id)
                found = connection.execute(query).first() is not None
                connection.rollback()
                return found

            yield there
    finally:
        engine.dispose()


def times_to_applied(site: FaultSite, posts: int, name: str) -> list[float]:
    """Milliseconds from before the POST until the store has the event."""
    times = []
    with looking(site) as there:
        for number in range(posts):
            event_id = f"{name}-{number}"
            body = {"event_id": event_id, "user_id": f"u{number % 300}", "item_id": "m1",
                    "rating": 3}
            began = time.monotonic()
            if site.program.ask("POST", "/rate", body).status != 200:
                raise RuntimeError("a rating was refused")
            while not there(event_id):
                if time.monotonic() > began + 60:
                    raise RuntimeError(f"{event_id} was not applied within 60 s")
                time.sleep(0.002)
            times.append((time.monotonic() - began) * 1000)
            time.sleep(_EACH_S)
    return sorted(times)


def _told(what: str, times: list[float]) -> str:
    p95, p99 = (times[int(len(times) * share)] for share in (0.95, 0.99))
    cells = (f"{ms:.0f} ms" for ms in (statistics.median(times), p95, p99))
    return f"| POST -> topic -> applied, {what} | {' | '.join(cells)} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000, help="for the two rates")
    parser.add_argument("--posts", type=int, default=200, help="for each of the two times")
    parser.add_argument("--load", type=int, default=200, help="events a second beside the posts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, Broker(Path(made) / "kafka") as broker:
        folder = Path(made)
        site = FaultSite(folder, broker)
        try:
            bare = bare_rates(site, arguments.events)
            relayed = relay_rate(site, arguments.events)
            consumed = consume_rate(site, arguments.events, folder)
            print("| | events/s | kafka-python alone | ratio |\n|---|---|---|---|")
            for what, ours, alone in (("outbox -> topics", relayed, bare[0]),
                                      ("topics -> store", consumed, bare[1])):
                print(f"| {what} | {ours:,.0f} | {alone:,.0f} | {ours / alone:.0%} |", flush=True)
            print("\n| | p50 | p95 | p99 |\n|---|---|---|---|")
            site.program.start()
            site.drained(_WITHIN_S)
            print(_told("alone", times_to_applied(site, arguments.posts, "alone")), flush=True)
            seconds = 60.0 * arguments.posts
            load = Load(site.program, "load", int(seconds * arguments.load), seconds)
            load.start()
            try:
                beside = times_to_applied(site, arguments.posts, "beside")
            finally:
                load.stop()
            print(_told(f"beside {arguments.load} events/s", beside), flush=True)
        finally:
            site.close()


if __name__ == "__main__":
    main()
