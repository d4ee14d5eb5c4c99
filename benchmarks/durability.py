"""`make bench-durability`: kill -9 at random moments while ratings are posted; nothing may be lost.

Client threads post ratings to the real program and repeat each, under the same event id, until
it is answered with 2xx. Meanwhile the whole process group is killed again and again, some of the
times while it is starting, and started anew. At the end every answered event must lie in the log
and in the store once, and the state must equal that of a clean replay of the log.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.database import open_database
from adapters.embedded_log import EmbeddedLog
from adapters.event_store import SqlEventStore
from benchmarks.program import PREPARE, ROOT, Program, send
from recommender.record_batch import read_batch
from recommender.schemas import Columns
from recommender.topics import EVENT_TOPICS
from settings import Settings

_REPLAY_RECORDS = 1_000
_GIVE_UP_AFTER_S = 90.0
_KILLED_WHILE_STARTING = 0.2
_START_S = 2.0


@dataclass
class Posting:
    """What the clients saw. `answers` counts the 2xx answers that each event got."""

    bodies: Sequence[dict[str, object]]
    answers: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledged(self) -> int:
        """Events answered with 2xx."""
        return len(self.answers)


@dataclass(frozen=True)
class Outcome:
    """What was found at the end; `sound` when nothing was lost, repeated or left over."""

    posts: int
    acknowledged: int
    attempts: int
    kills: int
    kills_while_starting: int
    lost: int
    logged_twice: int
    logged: int
    applied: int
    dead_letters: int
    replay_equal: bool
    seconds: float

    @property
    def sound(self) -> bool:
        """Whether all that had to hold did."""
        return (self.acknowledged == self.posts and not self.lost and not self.logged_twice
                and not self.dead_letters and self.applied == self.logged and self.replay_equal)


def bodies(posts: int, seed: int) -> list[dict[str, object]]:
    """Ratings that contend: few users and films, half with a time of their own, in any order."""
    chance = random.Random(seed)
    made: list[dict[str, object]] = []
    for number in range(posts):
        body: dict[str, object] = {
            "event_id": f"durability-{seed}-{number}", "user_id": f"u{chance.randrange(1, 60)}",
            "item_id": f"m{chance.randrange(1, 40)}", "rating": chance.randrange(1, 11) / 2,
        }
        if chance.random() < 0.5:
            body["timestamp"] = 1_700_000_000 + chance.randrange(1_000)
        made.append(body)
    return made


def post_all(program: Program, posting: Posting, clients: int) -> list[threading.Thread]:
    """Start the clients; they end when each post was answered with 2xx, or one was refused."""
    numbers = itertools.count()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=15)
        while not posting.failures and (number := next(numbers)) < len(posting.bodies):
            _until_taken(connection, posting, posting.bodies[number])
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    return threads


def _until_taken(connection: http.client.HTTPConnection, posting: Posting,
                 body: dict[str, object]) -> None:
    give_up = time.monotonic() + _GIVE_UP_AFTER_S
    event_id = str(body["event_id"])
    # One in ten is sent again after its 2xx, as a client does that lost the answer.
    wanted = 2 if int(event_id.rpartition("-")[2]) % 10 == 0 else 1
    while wanted and not posting.failures:
        with posting.lock:
            posting.attempts += 1
        try:
            answer = send(connection, "POST", "/rate", body)
        except (OSError, http.client.HTTPException):
            connection.close()
            if time.monotonic() > give_up:
                posting.failures.append(f"{event_id}: no answer for {_GIVE_UP_AFTER_S:.0f} s")
            time.sleep(0.02)
            continue
        if answer.status == 503:
            time.sleep(0.05)
        elif 200 <= answer.status < 300:
            with posting.lock:
                posting.answers[event_id] += 1
            wanted -= 1
        else:
            posting.failures.append(f"{event_id}: {answer.status} {answer.body[:200]!r}")


def kill_and_start(program: Program, posting: Posting, kills: int,
                   chance: random.Random) -> int:
    """Kill the group `kills` times while posts are answered; how many hit a starting program."""
    starting = 0
    latest = max(len(posting.bodies) * 95 // 100, kills + 1)
    for moment in sorted(chance.sample(range(1, latest), kills)):
        while posting.acknowledged() < moment and not posting.failures:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)
        program.kill()
        if chance.random() < _KILLED_WHILE_STARTING:
            starting += 1
            program.launch()
            time.sleep(chance.random() * _START_S)
            program.kill()
        program.start()
    return starting


def measure(program: Program, data: Path, posts: int, kills: int, clients: int,
            seed: int) -> Outcome:
    """The whole of it, on a prepared data folder; the program is started here and ended.

    Raises:
        RuntimeError: a post was refused, or not answered for a long time.
    """
    base = _events(data)
    posting = Posting(bodies(posts, seed))
    began = time.monotonic()
    with program.start():
        threads = post_all(program, posting, clients)
        try:
            starting = kill_and_start(program, posting, kills, random.Random(seed))
        except BaseException:
            posting.failures.append("stopped")
            raise
        finally:
            for thread in threads:
                thread.join()
        if posting.failures:
            raise RuntimeError("; ".join(posting.failures[:3]))
        _until_applied(data, base + posts)
        program.terminate()
    seconds = time.monotonic() - began
    return _found(data, base, posting, kills, starting, seconds)


def _events(data: Path) -> int:
    with closing_store(data) as store:
        return store.counts()["events"]


def _until_applied(data: Path, events: int) -> None:
    # More than that would be a fault, which is found afterwards; less may just be late.
    deadline = time.monotonic() + 30
    with closing_store(data) as store:
        while store.counts()["events"] < events and time.monotonic() < deadline:
            time.sleep(0.05)


def _found(data: Path, base: int, posting: Posting, kills: int, starting: int,
           seconds: float) -> Outcome:
    with closing_log(data) as log, closing_store(data) as store:
        records = log.end_offsets(EVENT_TOPICS)
        counts = store.counts()
        with tempfile.TemporaryDirectory() as folder, closing_store(Path(folder)) as clean:
            logged = _replay(log, store, clean, base)
            equal = clean.state_hash() == store.state_hash()
        applied = Counter(
            event_id for frame in store.event_chunks(0, 50_000)
            for event_id in frame[Columns.EVENT_ID])
    return Outcome(
        posts=len(posting.bodies), acknowledged=posting.acknowledged(),
        attempts=posting.attempts, kills=kills + starting, kills_while_starting=starting,
        lost=sum(not (logged[e] and applied[e]) for e in posting.answers),
        logged_twice=sum(n > 1 for n in (logged | applied).values()),
        logged=sum(records.values()), applied=counts["events"] - base,
        dead_letters=counts["dead_letters"], replay_equal=equal, seconds=seconds)


def _replay(log: EmbeddedLog, store: SqlEventStore, clean: SqlEventStore,
            base: int) -> Counter[str]:
    """Into `clean`: what `store` held before, then the log from its start. Ids in the log."""
    for frame in store.event_chunks(0, base):
        clean.apply(frame.drop(columns=Columns.SEQUENCE))
        break
    consumer = log.consumer("replay", EVENT_TOPICS)
    for partition in consumer.assignment():
        consumer.seek(partition, 0)
    logged: Counter[str] = Counter()
    while records := consumer.poll(_REPLAY_RECORDS, 0.0):
        batch = read_batch(records, log.cluster_id, 0)
        clean.apply(batch.frame, batch.offsets, batch.letters)
        logged.update(batch.frame[Columns.EVENT_ID])
    consumer.close()
    return logged


@contextmanager
def closing_store(data: Path) -> Iterator[SqlEventStore]:
    """The event store of a data folder, beside the program or after it."""
    engine = open_database(f"sqlite:///{data}/store.db", "store")
    try:
        yield SqlEventStore(engine)
    finally:
        engine.dispose()


@contextmanager
def closing_log(data: Path) -> Iterator[EmbeddedLog]:
    """The log of a data folder, after the program."""
    engine = open_database(f"sqlite:///{data}/log.db", "log")
    with closing(EmbeddedLog(engine, Settings().topic_partitions)) as log:
        yield log
    engine.dispose()


def main() -> None:
    """Measure and print a table; exit code 1 when something was lost or repeated."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = {
            "data_folder": str(home / "data"), "registry_folder": str(home / "registry"),
            "outputs_folder": str(home / "outputs"),
            "rate_limit_per_minute": "1000000000", "log_level": "WARNING",
        }
        program = Program(settings, home / "output")
        subprocess.run(PREPARE, cwd=ROOT, env=program.environment(), check=True,
                       capture_output=True)
        outcome = measure(program, home / "data", arguments.posts, arguments.kills,
                          arguments.clients, arguments.seed)
    report(outcome)
    sys.exit(0 if outcome.sound else 1)


def report(outcome: Outcome) -> None:
    """Print a Markdown table."""
    rows = {
        "posts, by event id": f"{outcome.posts:,}",
        "answered with 2xx": f"{outcome.acknowledged:,}",
        "requests sent": f"{outcome.attempts:,}",
        "kill -9 of the process group": str(outcome.kills),
        "of them while starting": str(outcome.kills_while_starting),
        "answered and not stored": str(outcome.lost),
        "stored twice": str(outcome.logged_twice),
        "in the log / applied": f"{outcome.logged:,} / {outcome.applied:,}",
        "dead letters": str(outcome.dead_letters),
        "state equals a clean replay": "yes" if outcome.replay_equal else "NO",
        "seconds": f"{outcome.seconds:.0f}",
    }
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
