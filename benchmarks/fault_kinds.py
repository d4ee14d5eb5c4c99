"""The faults of `make faults`: each breaks something while a load is under way, and mends it."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaProducer
from sqlalchemy import delete

from adapters.tables import consumer_offsets
from benchmarks.crash_points import FACTORY, POINTS
from benchmarks.fault_load import Load
from benchmarks.fault_site import FaultSite, wait_until
from benchmarks.program import SERVE
from benchmarks.small_disk import SmallDisk
from recommender.topics import EVENT_TOPICS, RATINGS

HOUR_S = 3_605  # and a little: Kafka refuses what is more than an hour ahead by default
_TOLD_S = 10.0
_APPLIED_S = 300.0
_SETTLED_S = 1.5
_START_S = 20.0  # at most, on a busy machine
SLEEP_BY_WAITING = """import threading, time
time.sleep = lambda seconds: threading.Event().wait(seconds)
"""
"""Under libfaketime a sleep until a monotonic moment, as Python has it, ends in an error once the
clock is set, and what retries after a sleep (kafka-python) would do so for ever without one."""
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


@dataclass(frozen=True, slots=True)
class Measure:
    """How much of each fault: kills of the broker (and of the program at each point), seconds
    without a broker, seconds of a wrong clock, seconds from one coming of a member to the next and
    how often it comes, share of malformed records, seconds that all may take to be applied."""

    kills: int = 5
    outage_s: float = 300.0
    clock_s: float = 40.0
    rebalance_s: float = 10.0
    rebalances: int = 6
    malformed: float = 0.05
    drained_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a fault works on: the site, the load under way, how much; `disk` holds the data."""

    site: FaultSite
    load: Load
    measure: Measure
    disk: SmallDisk | None = None


def broker_killed(trouble: Trouble) -> str:
    """kill -9 of the broker, again and again, and started again each time."""
    site, kills = trouble.site, trouble.measure.kills
    for number in range(kills):
        trouble.load.until((number + 1) / (kills + 2))
        site.broker.kill()
        site.broker.start()
    return f"{kills} kills"


def broker_away(trouble: Trouble) -> str:
    """No broker for longer than a producer may try to deliver; /ready tells it in time."""
    site = trouble.site
    trouble.load.until(0.05)
    site.broker.kill()
    began = time.monotonic()
    told_s = wait_until(lambda: "ECONNREFUSED" in site.bus_check(), _TOLD_S, "/ready tells it")
    while time.monotonic() < began + trouble.measure.outage_s:
        if site.program.ask("GET", "/health").status != 200:
            raise RuntimeError("/health was not answered with 200 during the outage")
        time.sleep(0.5)
    refused = {status for status in trouble.load.statuses if status != 200}
    if refused:
        raise RuntimeError(f"during the outage posts were answered {refused}")
    site.broker.start()
    return f"{time.monotonic() - began:.0f} s away, told after {told_s:.1f} s, every post 2xx"


def program_killed(trouble: Trouble) -> str:
    """kill -9 of the program after the insert, after the send, before the commit, in turn."""
    site, chance, kills = trouble.site, random.Random(7), Counter[str]()
    site.program.kill()
    for _ in range(trouble.measure.kills):
        for point in POINTS:
            kills[point] += _killed_at(point, chance.randrange(3), trouble)
    site.program.start()
    if len(+kills) < len(POINTS):
        raise RuntimeError(f"the load was over too soon: {dict(kills)}")
    return ", ".join(f"{count} {point}" for point, count in kills.items())


def _killed_at(point: str, after: int, trouble: Trouble) -> bool:
    """Start the program, which ends itself at the point; whether it came to that."""
    environment = (f"CRASH_AT={point}", f"CRASH_AFTER={after}")
    armed = trouble.site.made(environment, (*SERVE[:-1], f"import app; app.serve({FACTORY!r})"))
    armed.launch()
    deadline = time.monotonic() + _APPLIED_S
    while armed.process.poll() is None:
        if trouble.load.reached(1.0) or time.monotonic() > deadline:
            armed.kill()
            return False
        time.sleep(0.02)
    armed.kill()  # what is left of its group
    return armed.process.returncode == -signal.SIGKILL


def disk_full(trouble: Trouble) -> str:
    """No room for the databases for a while: 503, nothing half-written, then all goes on."""
    site, disk = trouble.site, trouble.disk
    if disk is None:
        raise RuntimeError("the data folder is on no disk that can be filled")
    trouble.load.until(0.3)
    before = trouble.load.statuses[503]
    for name in ("log", "store"):
        # Room in the write-ahead log would be used up first.
        with site.engine(name).connect() as connection:  # type: ignore[arg-type]
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    with disk.full(site.program.workers()):
        trouble.load.hurry()
        wait_until(lambda: trouble.load.statuses[503] > before + 5, 60, "posts are answered 503")
        if site.program.ask("GET", "/health").status != 200:
            raise RuntimeError("/health was not answered with 200 on a full disk")
    for name in ("log", "store"):
        with site.engine(name).connect() as connection:  # type: ignore[arg-type]
            verdict = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
        if verdict != "ok":
            raise RuntimeError(f"{name}.db: {verdict}")
    return f"{disk.kind}, databases intact"


def clock_wrong(trouble: Trouble) -> str:
    """The program's clock an hour ahead, then an hour behind, then right."""
    if FAKETIME is None:
        raise RuntimeError("needs libfaketime")
    site = trouble.site
    site.program.kill()
    offset = site.folder / "clock"
    offset.write_text("+0\n")
    (site.folder / "python").mkdir()
    (site.folder / "python" / "sitecustomize.py").write_text(SLEEP_BY_WAITING)
    faked = site.made((
        f"PYTHONPATH={site.folder / 'python'}", f"LD_PRELOAD={FAKETIME}",
        f"FAKETIME_TIMESTAMP_FILE={offset}", "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_DONT_RESET=1"))
    faked.start()
    try:
        for share, text in ((0.25, f"+{HOUR_S}\n"), (0.5, f"-{HOUR_S}\n"), (0.75, "+0\n")):
            trouble.load.until(share)
            offset.write_text(text)
        trouble.load.until(1.0)
        wait_until(lambda: faked.metric("reco_relay_backlog") == 0, _APPLIED_S, "all is relayed")
    finally:
        faked.kill()
    site.program.start()
    return "+1 h, -1 h"


def replayed(trouble: Trouble) -> str:
    """The store forgets how far it has read: the whole topic comes again and changes nothing."""
    site = trouble.site
    trouble.load.until(1.0)
    site.drained(_APPLIED_S)
    site.program.kill()
    with site.store() as store:
        before = store.state_hash()
    with site.engine("store").begin() as connection:
        connection.execute(delete(consumer_offsets))
    site.program.start()
    whole = sum(site.bus.end_offsets(EVENT_TOPICS).values())
    wait_until(lambda: site.program.metric("reco_events_duplicate_total") >= site.stored(),
               _APPLIED_S, f"{whole} records are read again")
    with site.store() as store:
        if store.state_hash() != before:
            raise RuntimeError("the state changed")
    return f"{whole} records again"


def rebalanced(trouble: Trouble) -> str:
    """A second member joins the group and leaves it, each time after half of the interval."""
    site, measure = trouble.site, trouble.measure
    for _ in range(measure.rebalances):
        member = site.bus.consumer("ingest", EVENT_TOPICS)
        until = time.monotonic() + measure.rebalance_s / 2
        while time.monotonic() < until:
            member.poll(1, 0.1)  # what it reads it neither applies nor notes
        member.close()
        time.sleep(measure.rebalance_s / 2)
    return f"{2 * measure.rebalances} rebalances"


def malformed(trouble: Trouble) -> str:
    """Records among the good ones that cannot be read, written by another program."""
    site, load = trouble.site, trouble.load
    bad = (b"not json", b"\xff\x00", b'{"user_id": 1, "movie_id": 2, "rating": 9}', b"[]")
    count = max(1, round(load.events * trouble.measure.malformed))
    with site.store() as store:
        before = store.counts()["dead_letters"]
    producer = KafkaProducer(bootstrap_servers=site.broker.address)
    for number in range(count):
        load.until(number / count)
        producer.send(site.space.names.on_kafka(RATINGS), bad[number % len(bad)])
    producer.flush(timeout=30)
    producer.close(timeout=5)
    with site.store() as store:
        wait_until(lambda: store.counts()["dead_letters"] >= before + count, _APPLIED_S,
                   "all malformed records are set aside")
        time.sleep(_SETTLED_S)
        letters = store.counts()["dead_letters"] - before
    if letters != count:
        raise RuntimeError(f"{count} malformed records gave {letters} dead letters")
    return f"{count} malformed, a dead letter each"


FAULTS: dict[str, Callable[[Trouble], str]] = {
    "broker-killed": broker_killed,
    "program-killed": program_killed,
    "broker-away": broker_away,
    "disk-full": disk_full,
    "clock-wrong": clock_wrong,
    "replayed": replayed,
    "rebalanced": rebalanced,
    "malformed": malformed,
}
"""Name -> what it does; it returns a note for the table."""


def seconds_of(name: str, measure: Measure) -> float | None:
    """Over how much time to spread the load, so that it lasts at least as long as the fault."""
    return {
        "broker-away": measure.outage_s + _START_S,
        "disk-full": _START_S,
        "clock-wrong": 2 * measure.clock_s,
        "rebalanced": measure.rebalance_s * measure.rebalances,
        "program-killed": len(POINTS) * measure.kills * 3 * _START_S,
    }.get(name)


def lines_of(name: str) -> int:
    """Events a request; singly where the fault waits for the next request."""
    return 1 if name == "program-killed" else 10


def broken(trouble: Trouble, fault: Callable[[Trouble], str]) -> str:
    """Run a fault beside its load; its note.

    Raises:
        RuntimeError: what did not hold.
    """
    trouble.load.start()
    try:
        note = fault(trouble)
    except BaseException:
        trouble.load.stop()
        raise
    trouble.load.hurry()
    trouble.load.join()
    return note
