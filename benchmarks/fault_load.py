"""Ratings posted while something breaks: each is repeated under its id until it is answered 2xx."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.program import Program, send

_GIVE_UP_AFTER_S = 180.0
NO_ANSWER = 0
"""In `Load.statuses`: the connection was refused or broke."""


@dataclass
class Load:
    """Client threads that post `events` ratings to POST /events, `batch` lines a request.

    `seconds` spreads them over that time, None posts as fast as answers come. `accepted` are the
    ids that were answered for; `statuses` counts all answers by status.
    """

    program: Program
    name: str
    events: int
    seconds: float | None = None
    batch: int = 10
    clients: int = 4
    seed: int = 5
    accepted: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._hurry = threading.Event()
        self._began_s = 0.0
        self._numbers = itertools.count(step=self.batch)
        self._threads = [threading.Thread(target=self._client) for _ in range(self.clients)]

    @property
    def prefix(self) -> str:
        """What the ids of its events begin with."""
        return f"{self.name}-"

    def start(self) -> None:
        """Start the clients."""
        self._began_s = time.monotonic()
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for the clients.

        Raises:
            RuntimeError: a request was refused for good, or not answered for minutes.
        """
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise RuntimeError("; ".join(self.failures[:3]))

    def hurry(self) -> None:
        """Post the rest as fast as answers come."""
        self._hurry.set()

    def stop(self) -> None:
        """Give up what was not posted, and wait for the clients."""
        self.failures.append("stopped")
        self.hurry()
        for thread in self._threads:
            thread.join()

    def reached(self, share: float) -> bool:
        """Whether so much of it is accepted; also when it will never be."""
        return len(self.accepted) >= share * self.events or bool(self.failures)

    def until(self, share: float) -> None:
        """Return when so much of it is accepted."""
        while not self.reached(share):
            time.sleep(0.005)

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.program.port, timeout=30)
        while not self.failures and (first := next(self._numbers)) < self.events:
            if self.seconds is not None:
                due_s = self._began_s + self.seconds * first / self.events
                self._hurry.wait(max(0.0, due_s - time.monotonic()))
            self._post(connection, range(first, min(first + self.batch, self.events)))
        connection.close()

    def _post(self, connection: http.client.HTTPConnection, numbers: range) -> None:
        body = b"".join(json.dumps(self._rating(n)).encode() + b"\n" for n in numbers)
        headers = {"Content-Type": "application/x-ndjson"}
        give_up_s = time.monotonic() + _GIVE_UP_AFTER_S
        while not self.failures:
            try:
                answer = send(connection, "POST", "/events", body, headers)
                status = answer.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = NO_ANSWER
            with self._lock:
                self.statuses[status] += 1
            if status == 200:
                if answer.json()["rejected"]:
                    self.failures.append(f"{answer.body[:300]!r}")
                else:
                    with self._lock:
                        self.accepted.update(f"{self.prefix}{n}" for n in numbers)
                return
            if status not in (NO_ANSWER, 503) or time.monotonic() > give_up_s:
                self.failures.append(f"{self.prefix}{numbers[0]}: {status}")
            time.sleep(0.05)

    def _rating(self, number: int) -> dict[str, object]:
        """Few users and films, so that ratings contend; half have a time of their own."""
        chance = random.Random(f"{self.seed}-{self.name}-{number}")
        made: dict[str, object] = {
            "type": "rate", "event_id": f"{self.prefix}{number}",
            "user_id": f"u{chance.randrange(1, 500)}", "item_id": f"m{chance.randrange(1, 200)}",
            "rating": chance.randrange(1, 11) / 2,
        }
        if chance.random() < 0.5:
            made["timestamp"] = 1_700_000_000 + chance.randrange(100_000)
        return made
